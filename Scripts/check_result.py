#!/usr/bin/env python3
"""Checks one JSON result of `ringbench cost`: its shape, and the work counters that are the same on every machine."""

import json
import sys

CLASSES = {"smt", "same-l3", "cross-l3", "cross-node"}
PATHS = {
    "direct", "identity", "iommu-strict", "iommu-lazy", "viommu", "mmu", "premapped", "swiotlb", "dma-mask", "shadow",
    "hybrid",
}
REASONS = {"placementChanged", "stolenTime", "involuntarySwitch", "probeFailed", "otherThreshold"}

problems = []


def expect(condition, text):
    if not condition:
        problems.append(text)


def about(value, wanted):
    # Slices begin and end in mid-flight: a buffer in a thousand may be on one side of the count only.
    return value is not None and abs(value - wanted) <= 0.001 * max(1.0, abs(wanted))


def check_figure(row, name, where):
    figure = row[name]
    low, median, high = figure["low"], figure["median"], figure["high"]
    expect(0 < low <= median <= high, f"{where}: {name} is not 0 < low <= median <= high: {figure}")


def check_counters(row, where):
    counters, bytes_ = row["counters"], row["bytes"]

    def counts(name, wanted):
        value = counters.get(name, 0)
        expect(about(value, wanted), f"{where}: {name} is {value} per buffer, not {wanted}")

    path, writable = row["path"], row["direction"] == "device-writable"
    if path == "direct":
        for name in ("pageTableWrites", "invalidations", "bytesCopiedIn", "bytesCopiedOut", "slotsSearched"):
            counts(name, 0)
    elif path in ("identity", "iommu-strict", "iommu-lazy", "viommu", "mmu", "swiotlb", "dma-mask", "shadow", "hybrid"):
        counts("maps", 1)
        counts("unmaps", 1)
    elif path == "premapped":
        for name in ("maps", "unmaps", "invalidations"):
            counts(name, 0)
    if path == "iommu-strict":
        counts("invalidations", 1)
        counts("invalidationWaits", 1)
    if path == "viommu":
        counts("invalidations", 2)
        counts("exits", 2)
        if row["price"] == "process":
            counts("missMessages", counters.get("iotlbMisses", 0))
    if path == "mmu":
        counts("systemCalls", 2)
        counts("iotlbMisses", 0)
    if path == "iommu-lazy":
        expect(counters.get("invalidations", 0) < 0.5, f"{where}: lazy invalidates as often as strict")
    if path == "swiotlb":
        counts("bytesCopiedIn", bytes_)
        counts("bytesCopiedOut", bytes_ if writable else 0)
    if path == "dma-mask":
        # A copy in for each that is bounced, and a copy back where the device wrote.
        share = counters.get("bounced", 0)
        expect(0 <= share <= 1, f"{where}: {share} of the buffers are bounced")
        counts("bytesCopiedIn", share * bytes_)
        counts("bytesCopiedOut", share * bytes_ if writable else 0)
    if path == "shadow":
        counts("bytesCopiedIn", 0 if writable else bytes_)
        counts("bytesCopiedOut", bytes_ if writable else 0)
    if path == "hybrid":
        copied = bytes_ < counters.get("thresholdBytes", 0)
        counts("bounced", 1 if copied else 0)
        counts("invalidations", 0 if copied else 1)
        counts("bytesCopiedIn", bytes_ if copied and not writable else 0)


def check_row(row):
    where = f"{row['ring']} {row['path']} {row['direction']} {row['bytes']} {row['placement']['class']}"
    expect(row["ring"] in ("split", "packed"), f"{where}: unknown ring")
    expect(row["path"] in PATHS, f"{where}: unknown path")
    expect(row["direction"] in ("device-readable", "device-writable"), f"{where}: unknown direction")
    expect(row["placement"]["class"] in CLASSES, f"{where}: unknown class")
    expect(row["placement"]["roundTripNs"] > 0, f"{where}: no round trip")
    expect(row["slicesKept"] > 0, f"{where}: a row without a slice")
    injected = row["path"] == "viommu" and row["price"] == "injected"
    expect(row["injected"] is injected, f"{where}: injected is {row['injected']}, not {injected}")
    check_figure(row, "nsPerBuffer", where)
    check_figure(row, "buffersPerSecond", where)
    product = row["nsPerBuffer"]["median"] * row["buffersPerSecond"]["median"]
    expect(abs(product / 1e9 - 1) < 0.01, f"{where}: cost and rate are not each other's inverse")
    if row["path"] == "direct":
        expect(set(row["ratioToDirect"].values()) == {1}, f"{where}: direct by direct is not 1")
    elif row["ratioToDirect"] is not None:
        check_figure(row, "ratioToDirect", where)
    check_counters(row, where)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        result = json.load(file)
    expect(result["schema"] == 1, "schema is not 1")
    expect(result["interrupted"] is False, "the run was interrupted")
    expect(set(result["slicesDroppedBy"]) == REASONS, "slicesDroppedBy does not name every reason")
    expect(result["machine"]["cpus"], "a machine without CPUs")
    expect(result["answer"], "no answer")
    rows, parameters = result["results"], result["parameters"]
    expect(rows, "no rows")
    for row in rows:
        check_row(row)
    # A slice of a combination may be lost to the machine; a ring or a path that never shows is a fault.
    seen = {(row["ring"], row["path"]) for row in rows}
    for ring in parameters["rings"]:
        for path in {"direct", *parameters["paths"]}:
            expect((ring, path) in seen, f"{ring} {path}: asked for, not there")
    for problem in problems:
        print(f"check_result: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"check_result: {len(rows)} rows are sound")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check_result.py RESULT.json")
    main()

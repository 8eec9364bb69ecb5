#!/usr/bin/env python3
"""Puts the tables of a committed result into README.md, between its markers, so that nobody types a figure.

  readme_table.py bench-results/NAME.json [...]   the first file that holds a placement class supplies its table
"""
import json
import sys

PATHS = ["direct", "identity", "iommu-strict", "iommu-lazy", "premapped", "swiotlb"]
CLASSES = {
    "smt": "two threads of one core",
    "same-l3": "two cores behind one L3",
    "cross-l3": "two cores behind different L3s",
    "cross-node": "two nodes",
}


def number(value):
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}"


def table(result, ring, rows):
    columns = [(b, d) for b in result["parameters"]["sizes"] for d in result["parameters"]["directions"]]
    lines = [
        f"| {ring}, ns a buffer (× direct) | " + " | ".join(f"{b:,} B, {d.removeprefix('device-')}" for b, d in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for path in PATHS:
        cells = []
        for size, direction in columns:
            row = next((r for r in rows if r["ring"] == ring and r["path"] == path
                        and r["bytes"] == size and r["direction"] == direction), None)
            if row is None:
                cells.append("-")
                continue
            ratio = row["ratioToDirect"]
            ratio = "" if ratio is None or path == "direct" else f" ({ratio['median']:.2f})"
            cells.append(number(row["nsPerBuffer"]["median"]) + ratio)
        lines.append(f"| `{path}` | " + " | ".join(cells) + " |")
    return lines


def main():
    out = []
    seen = set()
    for name in sys.argv[1:]:
        with open(name) as f:
            result = json.load(f)
        for placement in CLASSES:
            rows = [r for r in result["results"] if r["placement"]["class"] == placement]
            # A class that only a part of the combinations saw makes no table.
            if placement in seen or len({(r["ring"], r["path"], r["bytes"], r["direction"]) for r in rows}) < 48:
                continue
            seen.add(placement)
            trip = sorted(r["placement"]["roundTripNs"] for r in rows)[len(rows) // 2]
            parameters = result["parameters"]
            out.append(
                f"**{CLASSES[placement]}** (class `{placement}`, round trip of a cache line {number(trip)} ns), "
                f"{result['machine']['cpuModel']} under a hypervisor, two vCPUs, "
                f"{parameters['depth']} outstanding, batch {parameters['batch']}, every byte written and checked:")
            out.append("")
            for ring in parameters["rings"]:
                out += table(result, ring, rows) + [""]
    with open("README.md") as f:
        text = f.read()
    head, rest = text.split("<!-- table:begin -->")
    _, tail = rest.split("<!-- table:end -->")
    with open("README.md", "w") as f:
        f.write(head + "<!-- table:begin -->\n" + "\n".join(out) + "<!-- table:end -->" + tail)


main()

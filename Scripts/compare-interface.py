#!/usr/bin/env python3
"""Compares what two ringbench binaries offer: options, keys of their JSON, and texts that are always the same.

    Scripts/compare-interface.py OLD NEW [--only options|texts|keys]

For a change that must not be visible: build both versions and run this on the two executables. Exit code 1 when
something differs, 0 when nothing does. It compares

- options: for each command and subcommand, hidden ones included, the options, arguments and subcommands that `--help`
  and `--help-hidden` list;
- texts: `explain`, `explain --device`, `simulate` with given costs, `exhaust` on one thread, and some refusals: standard
  output, standard error and exit code, as text and as JSON, byte by byte;
- keys: for each command that prints JSON the set of key paths with the kind of their value (`.results[].price string`),
  and the sets of keys that objects at one path have, from runs with tiny settings.

A key that is null in one version and absent in the other is a difference. Some keys and kinds depend on luck (a ratio is
null without two slices of one round): kinds and key sets are united over several runs of both versions, and a command
runs again while they differ.

`guest` and `vfio` are compared by their options only: their runs need a guest image and a PCI device. A command that
neither version can run on this machine is reported as skipped. Needs Python 3 and nothing else.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time

TRIES = 8
SECONDS = 180

# Hidden ones too.
COMMANDS = [
    [], ["cost"], ["sweep"], ["shapes"], ["ring"], ["scale"], ["exhaust"], ["explain"], ["simulate"], ["topology"], ["device"],
    ["device", "isolated"], ["device", "blk"], ["device", "net"], ["drive"], ["vfio"], ["guest"], ["loop"],
    ["viommu-server"],
]

TINY = ["--slices", "2", "--slice-ms", "0.5", "--time-limit", "20"]
ONE = ["--ring", "split", "--size", "1500", "--direction", "device-readable"]

# Between them they reach every key.
RUNS = {
    "explain": ["explain"],
    "explain --device": ["explain", "--device"],
    "topology": ["topology", "--probe-ms", "20"],
    "exhaust": ["exhaust", "--buffers", "128", "--pool", "256KiB,1MiB", "--size", "4096,262145"],
    "simulate": ["simulate", "--cpus", "1,4", "--operations", "100", "--check"],
    "ring": ["ring", *TINY, "--batch", "1,8", "--outstanding", "1,8", "--round-trips", "100"],
    "ring, sleeping": [
        "ring", *TINY, "--batch", "1", "--outstanding", "4", "--chain", "2", "--indirect", "on", "--event-idx", "on",
        "--notification", "eventfd"],
    "cost": ["cost", *TINY, *ONE, "--hybrid-threshold", "4096"],
    "cost, hybrid calibrated": ["cost", "--slices", "3", "--slice-ms", "0.5", *ONE, "--path", "hybrid"],
    "cost, isolated": ["cost", *TINY, *ONE, "--isolate", "--path", "swiotlb,premapped"],
    "cost, queues": ["cost", *TINY, *ONE, "--queues", "2", "--path", "swiotlb"],
    "cost, injected": ["cost", *TINY, *ONE, "--path", "viommu", "--viommu-price", "injected", "--viommu-ns", "1000"],
    "cost, nodes and pages": [
        "cost", *TINY, *ONE, "--path", "premapped,shadow", "--ring-node", "0", "--payload-node", "0", "--page-size", "2m",
        "--iommu-pages", "4k", "--shadow-slot", "4096"],
    "sweep": [
        "sweep", "--slices", "6", "--slice-ms", "0.5", "--path", "iommu-strict,swiotlb,shadow,hybrid",
        "--hybrid-threshold", "4096", "--size", "64,4k,256k,512k", "--direction", "device-writable"],
    "sweep, hybrid calibrated": [
        "sweep", "--slices", "3", "--slice-ms", "0.5", "--path", "hybrid", "--size", "1k,8k", "--direction",
        "device-readable"],
    "scale": ["scale", *TINY, "--queue-size", "64,256", "--mappings", "16,64", "--queues", "1,2", "--memory", "1m,1g"],
    "shapes": ["shapes", "--slices", "6", "--slice-ms", "0.5", "--time-limit", "20"],
}

# Kind of the device, and the driver's options.
DRIVES = {
    "drive blk": ("blk", ["--verify", "--requests", "200"]),
    "drive blk, translated": (
        "blk", ["--verify", "--requests", "200", "--path", "iommu-strict", "--features", "indirect,event-idx"]),
    "drive blk, reconnecting": ("blk", ["--verify", "--requests", "200", "--reconnect"]),
    "drive rng": ("rng", ["--requests", "200", "--layout", "packed"]),
    "drive net": ("net", ["--requests", "200", "--layout", "packed", "--in-order"]),
}

PRIMITIVES = [
    "driver", "copy", "swiotlb-take", "swiotlb-give", "magazine-take", "magazine-give", "depot", "tree-take", "tree-give",
    "page-table", "post", "serve", "line-transfer",
]
PATHS = "direct,identity,iommu-strict,iommu-lazy,viommu,premapped,swiotlb,dma-mask,shadow,hybrid,mmu"

TEXTS = {
    "explain": ["explain"],
    "explain, each": ["explain", PATHS],
    "explain --device": ["explain", "--device"],
    "simulate": [
        "simulate", "--cpus", "1,2,64", "--operations", "300", "--seed", "7", "--primitive",
        ",".join(f"{name}={20 + number}" for number, name in enumerate(PRIMITIVES))],
    "exhaust": ["exhaust", "--mode", "interleaved", "--buffers", "256", "--ring", "split,packed"],
    "no such path": ["explain", "nowhere"],
    "no such kind": ["explain", "--device", "nothing"],
    "no such folder": ["explain", "--output", "/nowhere/at/all"],
    "a ring too small": ["cost", "--depth", "512"],
}

# Lines that tell of the build or of the moment rather than of the command.
PASSING = re.compile(r'Swift 6|debug build|"(commit|optimised|toolchain|freeBytes|free)" :')

differences = 0


def differ(where, text):
    global differences
    differences += 1
    print(f"DIFFERS  {where}: {text}", flush=True)


def run(binary, arguments):
    """Standard output, standard error and the exit code."""
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=SECONDS)
    return done.stdout, done.stderr, done.returncode


# Options


def options(binary, command, flag):
    """What a help page lists at the left edge of its sections: options, arguments, subcommands."""
    output, error, _ = run(binary, [*command, flag])
    found = set()
    for line in (output + error).splitlines():
        if match := re.match(r"  ([-<]\S.*?)(?:  |$)", line):
            found.add(match.group(1))
        elif match := re.match(r"  ([a-z][a-z-]*)(?: \(default\))?  +\S", line):
            found.add("subcommand " + match.group(1))
    return found


def compare_options(old, new):
    for command in COMMANDS:
        for flag in ("--help", "--help-hidden"):
            where = " ".join(["ringbench", *command, flag])
            before, after = options(old, command, flag), options(new, command, flag)
            for option in sorted(before - after):
                differ(where, f"{option} is gone")
            for option in sorted(after - before):
                differ(where, f"{option} is new")
            if before == after and before:
                print(f"same     {where}: {len(before)} options", flush=True)


# Texts


def compare_texts(old, new):
    texts = dict(TEXTS)
    devices = json.loads(run(old, ["explain", "--device", "--format", "json"])[0])["devices"]
    texts["explain --device, each"] = ["explain", "--device", ",".join(device["kind"] for device in devices)]
    for name, arguments in texts.items():
        for form in ("text", "json"):
            where = f"{name}, {form}"
            before, after = (run(binary, [*arguments, "--format", form]) for binary in (old, new))
            same = before[2] == after[2]
            if not same:
                differ(where, f"exit code {before[2]} became {after[2]}")
            for one, other in zip(before[:2], after[:2]):
                lines = [[line for line in text.split("\n") if not PASSING.search(line)] for text in (one, other)]
                for left, right in itertools.islice(
                    ((left, right) for left, right in itertools.zip_longest(*lines) if left != right), 5):
                    same = False
                    differ(where, f"{left!r} became {right!r}")
            if same:
                print(f"same     {where}: {len(before[0]) + len(before[1])} characters", flush=True)


# Keys


def shape(value, path=""):
    """Key paths with kinds, and for each object the set of its keys."""
    if isinstance(value, dict):
        # There only when the executable lies in a working tree.
        if path == ".machine":
            value.pop("commit", None)
        found = {f"{path} {{{' '.join(sorted(value))}}}"}
        for key, inner in value.items():
            found |= shape(inner, f"{path}.{key}")
        return found
    if isinstance(value, list):
        return {f"{path} array"}.union(*(shape(inner, path + "[]") for inner in value))
    kinds = {bool: "bool", int: "number", float: "number", str: "string", type(None): "null"}
    return {f"{path} {kinds[type(value)]}"}


def parsed(text):
    return shape(json.loads(text[text.index("{\n"):]))


def keys_of_run(binary, arguments):
    output, error, code = run(binary, [*arguments, "--format", "json"])
    if "{\n" not in output:
        raise RuntimeError(f"exit code {code}: {error.strip()}")
    return {"": parsed(output)}


def keys_of_drive(binary, kind, arguments):
    """Of the driver's report, and of the device's, which it prints when the driver has gone."""
    with tempfile.TemporaryDirectory(prefix="ringbench") as folder:
        socket, disk = os.path.join(folder, "socket"), os.path.join(folder, "disk")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        device = subprocess.Popen(
            [binary, "device", kind, "--socket", socket, "--once", "--format", "json", *(["--file", disk] if kind == "blk" else [])],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            while not os.path.exists(socket) and device.poll() is None:
                time.sleep(0.01)
            driver = keys_of_run(binary, ["drive", kind, "--socket", socket, *arguments])
            report = device.communicate(timeout=20)[0]
        finally:
            if device.poll() is None:
                device.kill()
                device.wait()
        return driver | {", the device's report": parsed(report)}


def compare_keys(name, old, new, take):
    seen, problems = {old: {}, new: {}}, {}
    for _ in range(TRIES):
        for binary in (old, new):
            try:
                for part, found in take(binary).items():
                    seen[binary].setdefault(part, set()).update(found)
            except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                problems[binary] = error
        if seen[old] == seen[new] and seen[old]:
            break
        if not seen[old] and not seen[new]:
            print(f"skipped  {name}: neither runs here; {problems.get(old)}", flush=True)
            return
    for part in sorted(seen[old].keys() | seen[new].keys()):
        before, after = seen[old].get(part, set()), seen[new].get(part, set())
        for path in sorted(before - after):
            differ(name + part, f"gone: {path}")
        for path in sorted(after - before):
            differ(name + part, f"new: {path}")
        if before == after:
            print(f"same     {name}{part}: {len(before)} key paths", flush=True)
    for binary, seen_there in seen.items():
        if not seen_there:
            differ(name, f"{binary} does not run: {problems[binary]}")


def compare_all_keys(old, new):
    for name, arguments in RUNS.items():
        compare_keys(name, old, new, lambda binary: keys_of_run(binary, arguments))
    for name, (kind, arguments) in DRIVES.items():
        compare_keys(name, old, new, lambda binary: keys_of_drive(binary, kind, arguments))
    print("skipped  guest, vfio: they need a guest image and a PCI device")


def main():
    parts = {"options": compare_options, "texts": compare_texts, "keys": compare_all_keys}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--only", choices=parts, help="one part of the comparison")
    chosen = parser.parse_args()
    old, new = os.path.realpath(chosen.old), os.path.realpath(chosen.new)
    for name, part in parts.items():
        if chosen.only in (None, name):
            part(old, new)
    print(f"{differences} differences" if differences else "no difference")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures what others built beside what RingKit has, in turns on the same two CPUs. Run by peers.sh.

  peers.py RINGBENCH [--quick] [--rounds N] [--only PART]... [--output RESULT.json] [--missing PACKAGE]...

Parts: net, blk, linux, ringtest, rte_ring. Prints a table; a ratio is taken between slices of one round and one
placement class, which a probe of a cache line's round trip before and after each slice tells. Exit codes: 0 measured,
1 something failed or has no pair, 3 a peer cannot be installed or built here, which standard error names.
"""
import argparse
import datetime
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import build
import devices
import measure
import rings

PARTS = {"net": devices.Net, "blk": devices.Block}
PARTS |= {"linux": rings.Linux, "ringtest": rings.Ringtest, "rte_ring": rings.RteRing}


class Run:
    """What every part needs: the program, the CPUs, a scratch directory, a probe."""

    def __init__(self, options, work):
        self.ringbench, self.work = os.path.abspath(options.ringbench), pathlib.Path(work)
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        self.slices, self.milliseconds = (3, 60) if options.quick else (5, 100)
        # Of fewer ringbench would keep what was disturbed, rather than have none.
        self.ours = rings.Ours(self.ringbench, self.cpus, self.work, 8)
        self.harness = measure.Harness(build.probe(), self.cpus)
        # Files of block devices stay in memory.
        self.memory = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else work))

    def probe(self):
        return self.harness.probe()


def parsed():
    parser = argparse.ArgumentParser(prog="make peers", description="ratios of RingKit's times to its peers'")
    parser.add_argument("ringbench")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: below 3 minutes")
    parser.add_argument("--rounds", type=int, help="of each part; 40 otherwise, 8 with --quick")
    parser.add_argument("--only", action="append", choices=list(PARTS), default=[], help="this part; repeated: these")
    parser.add_argument("--output", default=build.PLACE / "peers.json", help="the result, JSON of schema 2")
    parser.add_argument("--missing", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    # As it was asked for, for the result's record.
    hidden = [word for name in options.missing for word in ("--missing", name)]
    options.words = shlex.join(sys.argv[2 + len(hidden):])
    # Before a quarter of an hour of measuring.
    pathlib.Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    return options


def attempt(name, failed, work):
    """Says what went wrong, ends what it left running, and lets the other parts go on."""
    before = measure.running()
    try:
        work()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        measure.say(f"{name} failed: {error}")
        failed[name] = 1
        measure.end_all(but=before)


def in_turns(run, parts, rounds, samples):
    for number in range(rounds):
        turns = [run.ours.ring, *(part.round for part in parts)]
        # The order changes: what comes second finds the machine as the first left it.
        for turn in turns if number % 2 else reversed(turns):
            turn(number, samples)


def measured(run, options, samples, failed):
    """The parts that could be measured: devices one after the other, rings in rounds of all of them."""
    made, rounds = {}, options.rounds or (8 if options.quick else 40)
    for name in options.only or PARTS:
        kind = PARTS[name]
        try:
            if kind.package in options.missing:
                raise measure.PeerMissing(f"{kind.package} cannot be installed")
            made[name] = kind(run)
        except measure.PeerMissing as error:
            measure.say(f"{name}: {error}")
            failed[name] = 3
    for name, part in made.items():
        if hasattr(part, "measure"):
            measure.say(f"measuring {name}")
            attempt(name, failed, lambda: part.measure(rounds, samples))
    in_rounds = [part for part in made.values() if hasattr(part, "round")]
    if in_rounds:
        measure.say("measuring rings")
        attempt("rings", failed, lambda: in_turns(run, in_rounds, rounds, samples))
    for name, part in made.items():
        if getattr(part, "missing", None):
            failed[name] = 3
    return made


def main():
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started, clock = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    load = os.getloadavg()[0]
    samples, failed = measure.Samples(), {}
    with tempfile.TemporaryDirectory(prefix="peers.") as work:
        try:
            run = Run(options, work)
        except measure.PeerMissing as error:
            measure.say(f"nothing can be measured: {error}")
            sys.exit(3)
        if len(run.cpus) < 2:
            sys.exit("peers: driver and device need a CPU each")
        try:
            # For what a result says of machine and build.
            run.ours.run("ring", "--ring", "split", "--batch", "1", "--outstanding", "1", "--round-trips", "0")
            result = measure.document(run.ours.output)
            parts = measured(run, options, samples, failed)
        finally:
            shutil.rmtree(run.memory, ignore_errors=True)
        sections = ([rings.against_floor()] if any(key[0] == "floor" for key in samples) else []) + [
            section for part in parts.values() for section in part.sections()
        ]
        text, empty = measure.table(sections, samples)
        result["results"] = measure.rows(sections, samples)
        result["run"] |= {
            "startedAt": started.strftime("%Y-%m-%dT%H:%M:%SZ"), "durationSeconds": round(time.monotonic() - clock, 3),
            "subcommand": "peers", "command": "make peers" + (f' PEERS="{options.words}"' if options.words else ""),
            "loadBefore": round(load, 2), "loadAfter": round(os.getloadavg()[0], 2),
        }
        result["run"].pop("host", None)
        result["parameters"] = {"driverCPU": run.cpus[0], "deviceCPU": run.cpus[1], "sliceMilliseconds": 1}
        result["details"] = {"peers": {name: part.version for name, part in parts.items()}}
        if "net" in parts:
            result["details"]["virtioUser"] = parts["net"].notes
        dropped = {}
        for sample in (sample for list_ in samples.values() for sample in list_ if sample.dropped):
            dropped[sample.dropped] = dropped.get(sample.dropped, 0) + 1
        result["slicesDroppedBy"] = dropped
        result["warnings"] = [w for w in result.get("warnings", []) if w["kind"] == "environment"]
        if load > 0.5:
            quiet = f"the load was {load:.2f} before: the times are not those of a quiet machine"
            result["warnings"].append({"kind": "disturbed", "text": quiet})
        for key in ("answer", "memory", "crossovers"):
            result.pop(key, None)
    machine = result["machine"]
    head = [f"{machine['cpuModel']}, Linux {machine['kernel']}, commit {result['run']['commit'][:12]}"]
    versions = ", ".join(f"{name}: {part.version}" for name, part in parts.items())
    head += [f"CPUs {run.cpus[0]} (driver) and {run.cpus[1]}; {versions}"]
    head += ["Ratio: median over rounds and its 95 % interval; below 1 RingKit is faster."]
    head += ["!: goal missed. ~: interrupted slices among them, for want of others"]
    head += [warning["text"] for warning in result["warnings"]]
    text = [line for sentence in head for line in measure.wrapped(sentence)] + [""] + text
    print("\n".join(text))
    output = pathlib.Path(options.output)
    output.write_text(json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    output.with_suffix(".txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    measure.say(f"took {time.monotonic() - clock:.0f} s; {output}")
    if empty:
        measure.say(f"{empty} comparisons have no round in which both sides ran in one class")
        failed.setdefault("pairs", 1)
    if failed:
        said = {1: "failed", 3: "without a peer"}
        measure.say(", ".join(f"{name}: {said[code]}" for name, code in failed.items()))
    sys.exit(1 if 1 in failed.values() else 3 if failed else 0)


main()

#!/usr/bin/env python3
"""Measures instructions and work per buffer, and compares them with what bench-results holds, or rewrites that. Counts what
our vhost-user devices call of the allocator and of Swift's runtime for each buffer, which is to be nothing, and reads what the
benchmark's turns and the devices' serving call.

Run by gate.sh, which builds what is measured. Exit codes: 0 nothing grew, 1 something did, 3 this machine cannot tell.
"""

import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "bench-results"
INSTRUCTIONS, WORK = RESULTS / "instructions.json", RESULTS / "work.json"

RINGS = ("split", "packed")
# Without mmu, whose price is paid in the kernel, which callgrind does not see, and without viommu until its rows are
# recorded: `ringbench loop` runs it with an injected exit of 0 ns, for here no other process could answer.
PATHS = ("direct", "identity", "iommu-strict", "iommu-lazy", "premapped", "swiotlb", "dma-mask", "shadow", "hybrid")
DIRECTIONS = ("device-readable", "device-writable")

# Instructions ---------------------------------------------------------------------------------------------------------

# More than this is growth.
MARGIN = 0.02
# Each is a function of its own, by the names that stand in its mangled one.
LOOPS = {
    "addAndPublish": ("10DriverLoop", "13addAndPublish"),
    "consumeAndComplete": ("10DeviceLoop", "18consumeAndComplete"),
    "reclaim": ("DriverQueueV", "7reclaim6atMost"),
}
BATCHES = (32, 1)
# Fills of the flush queue of 255, in whole batches: as many to warm up, as many that count.
BUFFERS = 255 * 64
# Valgrind shows programs a CPU with AVX2 at most. Without it too, libc picks one memcpy on every machine.
TUNABLES = {
    "x86_64": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX,-AVX_Usable,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM",
    "aarch64": "glibc.cpu.name=generic",
}


def conditions(toolchain):
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "architecture": platform.machine(),
        "toolchain": toolchain,
        "valgrind": valgrind.removeprefix("valgrind-"),
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "glibcTunables": TUNABLES.get(platform.machine(), ""),
    }


class Dump:
    """Who calls whom, how often and for how many instructions, callees included, in one callgrind dump."""

    def __init__(self, path):
        self.calls, self.cost = {}, {}
        caller = callee = ""
        lines = iter(path.read_text(encoding="utf-8", errors="replace").splitlines())
        for line in lines:
            if line.startswith("fn="):
                caller = line[3:]
            elif line.startswith("cfn="):
                callee = line[4:]
            elif line.startswith("calls="):
                edge = (caller, callee)
                self.calls[edge] = self.calls.get(edge, 0) + int(line[6:].split()[0])
                self.cost[edge] = self.cost.get(edge, 0) + int(next(lines).split()[1])

    def matching(self, names):
        """The edges to functions whose mangled name has all of these in it."""
        return [edge for edge in self.calls if all(name in edge[1] for name in names)]

    def runtime(self, roots):
        """Calls of the Swift runtime's and the allocator's functions below these functions, by name."""
        below, new = set(roots), set(roots)
        while new:
            new = {callee for caller, callee in self.calls if caller in new} - below
            # What the allocator does inside is its own.
            new -= {name for name in new if name in RUNTIME}
            below |= new
        found = {}
        for (caller, callee), calls in self.calls.items():
            if caller in below and callee in RUNTIME:
                found[callee] = found.get(callee, 0) + calls
        return found


# Calls that no loop may make once a buffer, by the symbols that they have.
RUNTIME = frozenset(
    ["malloc", "calloc", "realloc", "free", "aligned_alloc", "posix_memalign", "swift_allocObject", "swift_slowAlloc",
     "swift_retain", "swift_release", "swift_retain_n", "swift_release_n", "swift_bridgeObjectRetain",
     "swift_bridgeObjectRelease", "swift_beginAccess", "swift_endAccess", "swift_deallocClassInstance",
     "swift_isUniquelyReferenced_nonNull_native", "swift_dynamicCast"])
# Once a batch of 32 would be 0.031.
CALLS = 0.01


def count(ringbench, ring, in_order, batch):
    """One process under callgrind: each path and direction, warmed up and then counted."""
    rounds = BUFFERS // batch
    # Variables lie on the stack, above what is measured: their length moves it, and how it is aligned shows in memcpy.
    environment = {"PATH": "/usr/bin:/bin", "GLIBC_TUNABLES": TUNABLES.get(platform.machine(), "")}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        run = subprocess.run(
            [shutil.which("valgrind"), "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}",
             "--compress-strings=no", "--compress-pos=no", "--dump-line=no",
             "--dump-before=*SingleThreadTimes*runRounds*",
             ringbench, "loop", "--ring", ring, "--path", ",".join(PATHS), "--direction", ",".join(DIRECTIONS),
             "--batch", str(batch), "--rounds", str(rounds)] + (["--in-order"] if in_order else []),
            capture_output=True, text=True, env=environment, check=False)
        if run.returncode != 0:
            sys.exit(f"gate: ringbench loop under valgrind ended with {run.returncode}: {run.stderr.strip()}")
        labels = [line.split(", ")[:3] for line in run.stdout.splitlines() if line.startswith(f"{ring}, ")]
        expected = [[ring, path, direction] for path in PATHS for direction in DIRECTIONS]
        # One dump before each call of runRounds and one at the end: what came first is start-up.
        dumps = [out.with_name(f"out.{number}") for number in range(2, 2 * len(expected) + 1)] + [out]
        if labels != expected or not all(dump.exists() for dump in dumps):
            sys.exit(f"gate: callgrind's dumps for {ring} are not the ones expected")
        rows = []
        for number, (_, path, direction) in enumerate(expected):
            row = {"ring": ring, "inOrder": in_order, "path": path, "direction": direction, "batch": batch}
            dump = Dump(dumps[2 * number + 1])
            for loop, names in LOOPS.items():
                edges = dump.matching(names)
                calls = sum(dump.calls[edge] for edge in edges)
                if calls != rounds:
                    sys.exit(f"gate: {loop} shows {calls} calls in callgrind's output, not {rounds}; was it inlined?")
                row[loop] = round(sum(dump.cost[edge] for edge in edges) / BUFFERS, 4)
                for name, calls in dump.runtime(edge[1] for edge in edges).items():
                    if calls > CALLS * BUFFERS:
                        sys.exit(f"gate: {loop}: {instruction_key(row)}: {calls / BUFFERS:.2f} calls of {name} per buffer")
            rows.append(row)
        return rows


# Devices --------------------------------------------------------------------------------------------------------------

# Requests and requests outstanding of three runs. The first two differ by buffers and turns, the last two by turns alone: what
# they differ by has neither start-up nor set-up in it, and what is a buffer's is told from what is a turn's.
DEVICE_RUNS = ((4000, 64), (12000, 64), (12000, 4))
# A call for each buffer would be 1; how often a turn finds how much is the machine's.
DEVICE_CALLS = 0.3
# What a device does once for the buffers it finds: VhostUserBackend.serve(_:), generic or specialised.
TURN = "$s9VhostUser0aB7BackendC5serveyyAA5VringCF"
# What a turn of the back-end calls itself, before and behind those: how many of them it has is the machine's.
TURN_CALLERS = (
    "$s9VhostUser0aB7BackendC", "$s9VhostUser5VringC", "$s9VhostUser7PollSetV", "$s9VhostUser10QueueWaitsV",
    "$s7RingKit11GuestMemoryC4loss", "$s9RingBench")


def device_calls(ringbench, kind, layout, requests, depth, folder):
    """Calls of the runtime's functions, and turns, of a device of ours under callgrind that has served so many requests."""
    socket, out, image = folder / "socket", folder / "out", folder / "image"
    image.touch()
    os.truncate(image, 16 << 20)
    out.unlink(missing_ok=True)
    environment = {**os.environ, "GLIBC_TUNABLES": TUNABLES.get(platform.machine(), "")}
    device = subprocess.Popen(
        [shutil.which("valgrind"), "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no",
         "--compress-pos=no", "--dump-line=no", ringbench, "device", kind, "--socket", socket, "--once"]
        + (["--file", image] if kind == "blk" else []),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        # It says that it waits there.
        for line in device.stderr:
            if "waiting at" in line:
                break
        drive = subprocess.run(
            [ringbench, "drive", kind, "--socket", socket, "--layout", layout, "--requests", str(requests),
             "--depth", str(depth), "--format", "json"], capture_output=True, text=True, check=False, timeout=300)
        if drive.returncode != 0:
            sys.exit(f"gate: ringbench drive {kind} ended with {drive.returncode}: {drive.stderr.strip()}")
        device.communicate(timeout=60)
    finally:
        device.kill()
        device.wait()
    calls = {}
    for (caller, callee), count in Dump(out).calls.items():
        name = TURN if callee.startswith(TURN) else callee
        if name == TURN or name in RUNTIME and not caller.startswith(TURN_CALLERS):
            calls[name] = calls.get(name, 0) + count
    return calls


def check_devices(ringbench, report):
    """Holds what each buffer of our vhost-user devices costs in calls of the runtime against DEVICE_CALLS."""
    def per_buffer(case):
        with tempfile.TemporaryDirectory() as folder:
            runs = [device_calls(ringbench, *case, *run, pathlib.Path(folder)) for run in DEVICE_RUNS]
        turns = [run.get(TURN, 0) for run in runs]
        if not turns[1] or turns[2] < 2 * turns[1]:
            sys.exit(f"gate: device {case[0]} took {turns[1]} and {turns[2]} turns: a turn's calls cannot be told from a buffer's")
        found = {}
        for name in RUNTIME:
            first, second, third = (run.get(name, 0) for run in runs)
            turn = (third - second) / (turns[2] - turns[1])
            buffers = DEVICE_RUNS[1][0] - DEVICE_RUNS[0][0]
            found[name] = (second - first - turn * (turns[1] - turns[0])) / buffers
        return found

    cases = list(itertools.product(("net", "blk", "rng"), RINGS))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for (kind, layout), calls in zip(cases, pool.map(per_buffer, cases)):
            for name, count in sorted(calls.items()):
                if count > DEVICE_CALLS:
                    report.failure(f"device {kind}, {layout}: {count:.2f} calls of {name} per buffer")
    return len(cases)


# The benchmark's turns around the loops above run in two threads, where nothing counts exactly: their code is read. How many
# of each there are at least: one for each path and layout, or each of the device's ways to translate.
TURN_CODE = {"10DriverLoopV4step": 16, "10DriverLoopV3run": 16, "10DeviceLoopV3run": 8, "10DeviceLoopV19transferAndComplete": 8}
# Copies of memory, calls through a table that is found at run time (dispatch thunks), and what the compiler makes of a value
# that is no plain bytes: its copies and its ends. Doorbells are retained to be rung, which a turn that polls does not.
NOT_IN_TURNS = re.compile(r"^(memcpy|memmove)$|^\$s.*Tj$|^\$s(?!10BenchPaths9DoorbellsVSg).*WO[a-z]\d*_?(Tm)?$")


# What serves a queue of a vhost-user device, per call or per buffer. The queue stays where it is: moved or copied it is up to
# two kilobytes, by memcpy; a payload goes through memmove.
SERVING_CODE = {
    r"VhostUser0aB7BackendC5serve": 2, r"14LoopbackDeviceC(8fillEach|8transmit).*T(g|t\d*g)": 4, r"13EntropyDeviceC5serve": 1,
    r"11InputDeviceC5serve": 1, r"11BlockDeviceC(5serve|5begin|7advance|8complete)": 4,
    r"10VringQueueV(4next|8complete|8giveBack|8noteDone|7publish|4note7fetched|19enableNot|20disableNot)": 8,
    r"10VringQueueV14serveCarefully.*T(g|t\d*g)": 2}
NOT_IN_SERVING = re.compile(r"^memcpy$")


def check_code(ringbench, report):
    """No turn copies its loop or compares through a table, and no queue is copied to serve it; returns how many were read."""
    symbols = subprocess.run(["nm", "-S", "--defined-only", ringbench], capture_output=True, text=True, check=True).stdout
    fields = [line.split() for line in symbols.splitlines()]
    functions = [(f[3], int(f[0], 16), int(f[1], 16)) for f in fields if len(f) == 4]
    # Of turns what is specialised; the one for queues of any kind may call what it likes.
    kinds = [(f"{turn}.*Tg", least, NOT_IN_TURNS) for turn, least in TURN_CODE.items()]
    kinds += [(name, least, NOT_IN_SERVING) for name, least in SERVING_CODE.items()]
    read = 0
    for pattern, least, forbidden in kinds:
        found = [function for function in functions if re.search(pattern, function[0])]
        if len(found) < least:
            report.failure(f"{len(found)} functions are {pattern} by name, at least {least} are expected")
        for name, start, size in found:
            code = subprocess.run(
                ["objdump", "-d", "--no-show-raw-insn", f"--start-address={start}", f"--stop-address={start + size}",
                 ringbench], capture_output=True, text=True, check=True).stdout
            called = set(re.findall(r"\t(?:callq?|jmpq?|bl?)\s.*<([^>+@]+)(?:@plt)?>", code))
            for callee in sorted(filter(forbidden.search, called)):
                report.failure(f"{name} calls {callee}")
        read += len(found)
    return read


def measure_instructions(ringbench):
    combinations = list(itertools.product(RINGS, (False, True), BATCHES))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = list(pool.map(lambda combination: count(ringbench, *combination), combinations))
    return [row for part in parts for row in part]


def instruction_key(row):
    order = ", in-order" if row["inOrder"] else ""
    return f"{row['ring']}{order}, {row['path']}, {row['direction']}, batch {row['batch']}"


def compare_instructions(old_rows, new_rows, report):
    old = {instruction_key(row): row for row in old_rows}
    new = {instruction_key(row): row for row in new_rows}
    report.same_rows(INSTRUCTIONS, old, new)
    most = (0.0, "")
    for key in (key for key in old if key in new):
        for loop in LOOPS:
            before, after = old[key][loop], new[key][loop]
            change = after / before - 1
            most = max(most, (change, f"{loop}: {key}"))
            text = f"{loop}: {key}: {before:.2f} -> {after:.2f} instructions per buffer ({change:+.1%})"
            if change > MARGIN:
                report.failure(text)
            elif change < -MARGIN:
                report.note(text)
    if 0.0005 <= most[0] <= MARGIN:
        print(f"gate: within the margin, at most {most[0]:+.1%} ({most[1]})")


# Work -----------------------------------------------------------------------------------------------------------------

# One page and several; what order the ring keeps makes no difference to a mapping, so one size tells there.
SIZES = {False: (1500, 16384), True: (1500,)}
# Hybrid's threshold is given and lies between the sizes: one that is measured is another one each time.
COST = ["--slices", "1", "--slice-ms", "0.1", "--seed", "1", "--format", "json", "--hybrid-threshold", "4096"]
# A combination whose slice was lost to the machine has no row, and has another turn.
TURNS = 30
# The lazy path also flushes when 10 ms have passed, which a pause of the thread may bring about. And the driver takes back all
# that is there: how many come at a time, and with that whether a magazine of 127 suffices, is the machine's timing.
TIMED = {
    "invalidations": 0.003, "invalidationWaits": 0.003, "iovaFromMagazine": 0.05, "iovaFromDepot": 0.05,
    "iovaFromTree": 0.05, "iotlbHits": 0.02, "iotlbMisses": 0.02, "staleHits": 0.02,
}
# Counters are printed with six digits.
EXACT = 2e-6


def cost(ringbench, in_order, wanted):
    """One run of `ringbench cost` over at least these combinations; the rows it has."""
    command = [ringbench, "cost", *COST, "--features", "in-order" if in_order else "none"]
    for option, values in zip(("--ring", "--path", "--direction", "--size"), zip(*wanted)):
        command += [option, ",".join(str(value) for value in dict.fromkeys(values))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    # 3 with a result: no slice was kept at all.
    if run.returncode not in (0, 3) or not run.stdout.startswith("{"):
        print(f"gate: ringbench cost ended with {run.returncode}: {run.stderr.strip()}", file=sys.stderr)
        sys.exit(run.returncode if run.returncode == 3 else 1)
    return json.loads(run.stdout)["results"]


def measure_work(ringbench):
    rows = []
    for ring, in_order in itertools.product(RINGS, (False, True)):
        wanted = list(itertools.product((ring,), PATHS, DIRECTIONS, SIZES[in_order]))
        found = {}
        for _ in range(TURNS):
            missing = [combination for combination in wanted if combination not in found]
            if not missing:
                break
            for result in cost(ringbench, in_order, missing):
                combination = (result["ring"], result["path"], result["direction"], result["bytes"])
                counters = {name: value for name, value in sorted(result["counters"].items()) if value != 0}
                found.setdefault(combination, counters)
        for ring, path, direction, size in wanted:
            row = {"ring": ring, "inOrder": in_order, "path": path, "direction": direction, "bytes": size}
            if (ring, path, direction, size) not in found:
                print(f"gate: this machine is too busy: no slice of {work_key(row)} was kept", file=sys.stderr)
                sys.exit(3)
            rows.append({**row, "counters": found[ring, path, direction, size]})
    return rows


def work_key(row):
    order = ", in-order" if row["inOrder"] else ""
    return f"{row['ring']}{order}, {row['path']}, {row['direction']}, {row['bytes']} bytes"


def compare_work(old_rows, new_rows, report):
    old = {work_key(row): row for row in old_rows}
    new = {work_key(row): row for row in new_rows}
    report.same_rows(WORK, old, new)
    for key in (key for key in old if key in new):
        before, after = old[key]["counters"], new[key]["counters"]
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name, 0), after.get(name, 0)
            allowed = EXACT * abs(was)
            if ", iommu-lazy," in key:
                allowed = max(allowed, TIMED.get(name, 0))
            # Less of it is as much a change: an invalidation that is gone may be one that was needed.
            if abs(now - was) > allowed:
                unit = "" if name == "poolHighWaterSlots" else " per buffer"
                report.failure(f"{name}: {key}: {was:g} -> {now:g}{unit}")


# Both -----------------------------------------------------------------------------------------------------------------


class Report:
    def __init__(self):
        self.failures = 0
        self.notes = 0

    def failure(self, text):
        self.failures += 1
        print(f"gate: {text}", file=sys.stderr)

    def note(self, text):
        self.notes += 1
        print(f"gate: note, better: {text}")

    def same_rows(self, path, old, new):
        for key in sorted(old.keys() ^ new.keys()):
            where = "measured, but not in" if key in new else "not measured, but in"
            self.failure(f"{key}: {where} {path.name}")


def read(path):
    if not path.exists():
        sys.exit(f"gate: bench-results/{path.name} is missing; make gate-update writes it")
    return json.loads(path.read_text(encoding="utf-8"))


def write(path, head, rows):
    """JSON with a row to a line, so that a change of one row shows as one line."""
    text = json.dumps(head, indent=2)[:-2] + ',\n  "rows": [\n'
    text += ",\n".join("    " + json.dumps(row) for row in rows) + "\n  ]\n}\n"
    path.write_text(text, encoding="utf-8")


def update(ringbench, here):
    write(
        INSTRUCTIONS,
        {"schema": 1, "unit": "instructions per buffer", "conditions": here,
         "parameters": {"bytes": 64, "depth": 128, "queueSize": 256, "warmUpBuffers": BUFFERS, "buffers": BUFFERS}},
        measure_instructions(ringbench))
    write(
        WORK,
        {"schema": 1, "unit": "per buffer, poolHighWaterSlots at a time; what is not named is 0",
         "parameters": {"depth": 128, "batch": 32, "queueSize": 256}},
        measure_work(ringbench))
    print("gate: bench-results/instructions.json and bench-results/work.json are written; commit them alone")
    return 0


def check(ringbench, here, allow_other):
    report = Report()
    devices = check_devices(ringbench, report)
    functions = check_code(ringbench, report)
    recorded_work, recorded = read(WORK), read(INSTRUCTIONS)
    compare_work(recorded_work["rows"], measure_work(ringbench), report)
    there = recorded["conditions"]
    others = [f"{name} {there[name]} there, {here[name]} here"
              for name in ("architecture", "toolchain") if there[name] != here[name]]
    if not others:
        compare_instructions(recorded["rows"], measure_instructions(ringbench), report)
    if report.failures:
        for name in ("valgrind", "libc"):
            if not others and there[name] != here[name]:
                print(f"gate: {name} was {there[name]}, here it is {here[name]}", file=sys.stderr)
        print(f"gate: {report.failures} changed; if that is meant: make gate-update, as a commit of its own",
              file=sys.stderr)
        return 1
    if others:
        print(f"gate: work is the same, {devices} devices call nothing for each buffer; instructions not compared with instructions.json: {'; '.join(others)}")
        return 0 if allow_other else 3
    hold = "; make gate-update holds on to what is better" if report.notes else ""
    print(f"gate: {len(recorded_work['rows'])} rows of work are the same, "
          f"{len(recorded['rows']) * len(LOOPS)} loops have not grown, "
          f"{devices} devices call nothing for each buffer, {functions} functions copy nothing{hold}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", required=True)
    parser.add_argument("--update", action="store_true", help="rewrite what is compared with")
    parser.add_argument("--allow-other", action="store_true", help="another toolchain or architecture is no failure")
    parser.add_argument("ringbench")
    arguments = parser.parse_args()
    for tool in ("nm", "objdump"):
        if not shutil.which(tool):
            print(f"gate: {tool} is missing; it comes with binutils", file=sys.stderr)
            return 3
    here = conditions(arguments.toolchain)
    if arguments.update:
        return update(arguments.ringbench, here)
    return check(arguments.ringbench, here, arguments.allow_other)


if __name__ == "__main__":
    sys.exit(main())

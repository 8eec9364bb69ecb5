"""What the peers have in common: programs that wait for orders, classes, pairs, intervals, the table, the document."""
import atexit
import dataclasses
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Between two threads of a core, one core complex and two: the geometric means of what a round trip usually takes, as
# BenchHarness/Statistics/RoundTripClusters.swift has them.
CLASSES = (("smt", math.sqrt(48 * 105)), ("same-l3", math.sqrt(105 * 510)), ("cross-l3", math.inf))


# Pairs that a ratio needs.
FEWEST = 3


class PeerMissing(Exception):
    """A peer that cannot be had on this machine."""


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def placement(round_trip):
    return next(name for name, limit in CLASSES if round_trip < limit) if round_trip > 0 else None


@dataclasses.dataclass
class Sample:
    """One slice: its round, time of a buffer, the probes around it, switches that were not its own."""

    round: int
    ns: float
    before: float
    after: float
    switches: int = 0

    @property
    def dropped(self):
        if placement(self.before) is None or placement(self.after) is None:
            return "probeFailed"
        if placement(self.before) != placement(self.after):
            return "placementChanged"
        return "involuntarySwitch" if self.switches else None


class Samples(dict):
    """By program and point, a tuple of text."""

    def add(self, key, sample):
        self.setdefault(key, []).append(sample)

    def kept(self, key, name, disturbed):
        """The slices of that class, with those that were interrupted or without."""
        fine = (None, "involuntarySwitch") if disturbed else (None,)
        return [sample for sample in self.get(key, []) if sample.dropped in fine and placement(sample.before) == name]

    def rounds(self, key, name, disturbed):
        """By round, the median of these."""
        rounds = {}
        for sample in self.kept(key, name, disturbed):
            rounds.setdefault(sample.round, []).append(sample.ns)
        return {number: statistics.median(times) for number, times in rounds.items()}


def estimate(values):
    """The median, and its 95 % bootstrap interval."""
    median, source = statistics.median(values), random.Random(1)
    medians = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(1000))
    return {"median": median, "low": min(median, medians[25]), "high": max(median, medians[974])}


@dataclasses.dataclass
class Comparison:
    """A line of the table. `minus` makes both sides differences: what a path adds to another one."""

    point: str
    ours: tuple
    theirs: tuple
    goal: float | None = None
    minus: tuple | None = None

    def sides(self, samples, *which):
        sides = [samples.rounds(self.ours, *which), samples.rounds(self.theirs, *which)]
        if self.minus:
            bases = [samples.rounds(key, *which) for key in self.minus]
            sides = [{n: side[n] - base[n] for n in side if n in base} for side, base in zip(sides, bases)]
        return sides

    def results(self, samples):
        """By class both sides and their ratio, over the rounds in which both ran in that class.

        Slices that were interrupted count only where there are too few others: on a busy machine a figure with a
        warning beats none.
        """
        found = {}
        for disturbed in (False, True):
            if found:
                break
            for name, _ in CLASSES:
                ours, theirs = self.sides(samples, name, disturbed)
                pairs = [(ours[n], theirs[n]) for n in sorted(ours) if theirs.get(n, 0) > 0]
                if len(pairs) >= FEWEST:
                    found[name] = {"ours": estimate([a for a, _ in pairs]), "theirs": estimate([b for _, b in pairs])}
                    found[name]["ratio"] = estimate([a / b for a, b in pairs])
                    found[name] |= {"pairs": len(pairs), "disturbed": disturbed}
        return found


@dataclasses.dataclass
class Section:
    title: str
    peer: str
    # What each side moves, in one line.
    moves: str
    comparisons: list
    unit: str = "ns a buffer"

    def __post_init__(self):
        self.moves = " ".join(self.moves.split())


def figure3(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def wrapped(text, width=80):
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def table(sections, samples):
    """The text, within 80 columns; how many comparisons have no pair."""
    lines, empty = [], 0
    for section in sections:
        lines += [f"{section.title}, {section.unit}"] + wrapped(section.moves)
        lines.append(f"  {'':<30}  {'class':<8} {'ours':>7} {'theirs':>7} {'ours ÷ theirs':>16} {'goal':>4}")
        for one in section.comparisons:
            results = one.results(samples)
            if not results:
                empty += 1
                lines.append(f"  {one.point:<30} no {FEWEST} rounds in which both ran in one class")
            for name, result in results.items():
                line = f"  {one.point:<30} {'~' if result['disturbed'] else ' '}{name:<8} "
                ratio = result["ratio"]
                text = f"{figure3(ratio['median'])} ({figure3(ratio['low'])}-{figure3(ratio['high'])})"
                goal = "" if one.goal is None else f"{one.goal:.1f}" + ("" if ratio["median"] <= one.goal else "!")
                ours, theirs = figure3(result["ours"]["median"]), figure3(result["theirs"]["median"])
                lines.append(f"{line}{ours:>7} {theirs:>7} {text:>16} {goal:>4}".rstrip())
        lines.append("")
    return lines, empty


def rows(sections, samples):
    """Two rows of schema 2 for each comparison and class: ours, with the ratio, and theirs."""
    found = []
    for section in sections:
        for one in section.comparisons:
            for name, result in one.results(samples).items():
                for side, key in (("ours", one.ours), ("theirs", one.theirs)):
                    kept = samples.kept(key, name, result["disturbed"])
                    trips = [round((sample.before + sample.after) / 2, 2) for sample in kept]
                    row = {
                        "kind": "peer",
                        "labels": {"section": section.title, "point": one.point, "peer": section.peer, "side": side},
                        "placement": {"class": name, "roundTripNs": statistics.median(trips)},
                        "nsPerBuffer": {end: float(f"{value:.4g}") for end, value in result[side].items()},
                        "note": section.moves,
                    }
                    if not one.minus:
                        row["slices"] = [
                            {"round": sample.round, "nsPerBuffer": round(sample.ns, 3), "roundTripNs": trip}
                            for sample, trip in zip(kept, trips)
                        ]
                        row["slicesKept"], row["slicesDropped"] = len(kept), 0
                    if side == "ours":
                        ratio = {end: float(f"{value:.4g}") for end, value in result["ratio"].items()}
                        row["figures"] = [
                            {"name": "ratioToPeer", "unit": "1", "value": ratio.pop("median"), **ratio},
                            {"name": "pairs", "unit": "1", "value": result["pairs"]},
                        ]
                        if one.goal is not None:
                            row["figures"].append({"name": "goal", "unit": "1", "value": one.goal})
                    found.append(row)
    return found


# Programs -------------------------------------------------------------------------------------------------------------

_running = []


@atexit.register
def end_all(but=0):
    """Ends what is running, but for the first ones."""
    while len(_running) > but:
        process = _running.pop()
        process.kill()
        process.wait()


def running():
    return len(_running)


def start(command, log, **options):
    """Runs it in the background, what it says in a file; it ends with this program."""
    with open(log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
    _running.append(process)
    return process


def stop(process, seconds=5, politely=True):
    """Ends it, unless it was told to end itself, and forgets it."""
    if politely:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _running.remove(process)


def wait_for(condition, what, process=None, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if process and process.poll() is not None:
            raise RuntimeError(f"{what}: the program ended with {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def listens(path):
    """Whether a socket is listening there: state 01 with the flag __SO_ACCEPTCON."""
    with open("/proc/net/unix", encoding="utf-8") as file:
        return any(line.split()[-1] == str(path) and line.split()[3] == "00010000" for line in file)


class Harness:
    """One of our C programs: it waits for orders between its slices (slices.h), asleep."""

    def __init__(self, program, cpus):
        self.process = subprocess.Popen(
            [program, ",".join(map(str, cpus))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        _running.append(self.process)

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        lines = []
        while line := self.process.stdout.readline():
            if line == "\n":
                return lines
            lines.append(line.rstrip("\n").split("\t"))
        raise RuntimeError(f"{self.process.args[0]} ended with {self.process.wait()}")

    def probe(self):
        return float(self.order("probe")[0][1])

    def slices(self, number, count, samples, key, microseconds=1000):
        for name, before, after, ns, switches in self.order(f"{count} {microseconds}"):
            samples.add((*key, name), Sample(number, float(ns), float(before), float(after), int(switches)))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        _running.remove(self.process)


def document(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))

"""Rings in one process, two threads: Linux's virtio_ring.c, ringtest, rte_ring, each in turns with ringbench."""
import subprocess

import build
from measure import Comparison, Harness, Sample, Section, document

ORDERS = {"false": "any", "true": "in-order"}
RING_POINTS = (("1", "1"), ("1", "256"), ("32", "256"))
SIZES = (64, 1500, 4096)
DIRECTIONS = ("device-readable", "device-writable")


class Ours:
    """Slices of `ringbench ring` and `ringbench cost`, beside the peers' of the same round."""

    def __init__(self, ringbench, cpus, work, slices):
        self.output = work / "ours.json"
        self.common = ["--driver-cpu", str(cpus[0]), "--device-cpu", str(cpus[1]), "--slices", str(slices)]
        self.common += ["--slice-ms", "1", "--time-limit", "30", "--format", "json", "--output", self.output, "--quiet"]
        self.ringbench = ringbench

    def run(self, *command):
        subprocess.run([self.ringbench, *command, *self.common], check=True, stdout=subprocess.DEVNULL)
        return document(self.output)["results"]

    def ring(self, number, samples):
        fastest = {}
        for row in self.run("ring", "--round-trips", "0"):
            if row["kind"] in ("ring", "floor"):
                labels = row["labels"]
                point = (row["ring"], ORDERS[labels["inOrder"]], labels["batch"], labels["outstanding"])
                if row["kind"] == "ring":
                    fastest[point, placed(row)] = row.get("note")
                    self.take(row, number, samples, ("ours", *point))
                elif labels["floor"] == fastest.get((point, placed(row))):
                    self.take(row, number, samples, ("floor", *point))

    def cost(self, number, samples, touch, *sizes):
        paths = "direct,identity,swiotlb"
        size = ",".join(map(str, sizes))
        for row in self.run("cost", "--path", paths, "--size", size, "--touch", touch):
            if row["kind"] == "path":
                key = ("ours", row["ring"], row["path"], row["direction"], str(row["bytes"]), touch)
                self.take(row, number, samples, key)

    @staticmethod
    def take(row, number, samples, key):
        for piece in row["slices"]:
            if "dropped" not in piece and "roundTripNs" in piece:
                samples.add(key, Sample(number, piece["nsPerBuffer"], piece["roundTripNs"], piece["roundTripNs"]))


def placed(row):
    """The class that a row was measured in; none where nothing was."""
    return row.get("placement", {}).get("class")


def name(ring, order, batch, outstanding):
    ring += "" if order == "any" else " in-order"
    return f"{ring}, batch {batch}" if outstanding != "1" else f"{ring}, 1 outstanding"


def against_floor():
    goals = {("any", "1", "256"): 2.0, ("in-order", "1", "256"): 2.0, "one": 1.1}
    batches = {("split", "any"): 1.5, ("split", "in-order"): 1.6, ("packed", "in-order"): 1.3}
    found = []
    for ring in ("split", "packed"):
        for order in ("any", "in-order"):
            for batch, out in RING_POINTS:
                goal = goals["one"] if out == "1" else goals.get((order, batch, out), batches.get((ring, order)))
                point = (ring, order, batch, out)
                found.append(Comparison(name(*point), ("ours", *point), ("floor", *point), goal))
    moves = """
        Both move descriptors and used entries of a queue of 256, ours with checks and bookkeeping; the payload
        stays untouched; ringbench's own floor program."""
    return Section("Rings and their floor", "floor", moves, found)


def against_linux():
    found = []
    for ring in ("split", "packed"):
        for batch, out in RING_POINTS:
            goal = 1.0 if out == "1" else None
            theirs = ("kring", f"{ring} direct device-readable 64 none batch {batch} depth {out}")
            found.append(Comparison(name(ring, "any", batch, out), ("ours", ring, "any", batch, out), theirs, goal))
    moves = """
        Queue of 256, payload untouched, no look at event fields. Linux publishes each buffer by itself, ours a
        batch; Linux's device is a C program of ours."""
    return Section("Rings and Linux's virtio_ring.c", "Linux 6.1 virtio_ring.c", moves, found)


def payloads():
    goals = {("4096", "device-readable"): 1.0, ("1500", "device-writable"): 1.0}
    found = []
    for path in ("direct", "identity", "swiotlb"):
        for ring in ("split", "packed"):
            # What the DMA API adds without an IOMMU shows at the smallest size.
            for size in map(str, SIZES[:1] if path == "identity" else SIZES):
                for direction in DIRECTIONS:
                    theirs = ("kring", f"{ring} {path} {direction} {size} full batch 32 depth 128")
                    goal = goals.get((size, direction)) if path == "direct" else None
                    found.append(Comparison(f"{ring} {path} {size} {direction[7:]}",
                                            ("ours", ring, path, direction, size, "full"), theirs, goal))
    moves = """
        Both write and compare every byte with the same code (payload.c), 128 outstanding, batches of 32, a look
        at the event fields for each batch; swiotlb of 64 MiB with one area. identity: DMA API, direct mapping."""
    return Section("Payload through Linux's virtio_ring.c", "Linux 6.1 virtio_ring.c and swiotlb.c", moves, found)


def swiotlb():
    found = []
    for touch in ("none", "full"):
        for ring in ("split", "packed"):
            for direction in DIRECTIONS:
                ours = [("ours", ring, path, direction, "64", touch) for path in ("swiotlb", "direct")]
                theirs = [("kring", f"{ring} {path} {direction} 64 {touch} batch 32 depth 128")
                          for path in ("swiotlb", "direct")]
                point = f"{ring} {direction[7:]}, {'untouched' if touch == 'none' else 'in full'}"
                found.append(Comparison(point, ours[0], theirs[0], minus=(ours[1], theirs[1])))
    moves = """
        Both: find a slot, copy in whatever the direction, copy back what the device wrote, free the slot."""
    return Section("swiotlb minus direct, 64 bytes", "Linux 6.1 swiotlb.c", moves, found)


class Linux:
    """Linux's rings and its swiotlb."""

    package = build.PACKAGE

    def __init__(self, run):
        tree, self.version = build.linux()
        self.ours = run.ours
        self.harness = Harness(build.kring(tree), run.cpus)
        self.slices = run.slices

    def round(self, number, samples):
        first = number % 2
        for turn in (first, 1 - first):
            if turn:
                self.harness.slices(number, self.slices, samples, ("kring",))
            else:
                self.ours.cost(number, samples, "full", *SIZES)
                self.ours.cost(number, samples, "none", 64)

    def sections(self):
        return [against_linux(), payloads(), swiotlb()]


class Ringtest:
    """ringtest's flavours, of two compilers."""

    package = build.PACKAGE

    def __init__(self, run):
        tree, self.version = build.linux()
        self.harnesses = {key: Harness(program, run.cpus) for key, program in build.ringtest(tree).items()}
        self.slices = run.slices

    def round(self, number, samples):
        for (flavour, compiler), harness in self.harnesses.items():
            harness.slices(number, self.slices, samples, (flavour, compiler))

    def sections(self):
        rivals = {"ring": ("packed", "any"), "virtio_ring_0_9": ("split", "any"), "virtio_ring_poll": ("split", "any"),
                  "virtio_ring_inorder": ("split", "in-order"), "ptr_ring": ("split", "in-order")}
        found = []
        for (flavour, compiler) in self.harnesses:
            for batch, out in RING_POINTS:
                # One way without a ring of descriptors: nothing comes back that could be waited for.
                if flavour == "ptr_ring" and out == "1":
                    continue
                goal = 1.2 if (flavour, batch, out) == ("ring", "1", "256") else None
                short = flavour.removeprefix("virtio_ring_")
                found.append(Comparison(f"{short} {compiler}, " + (f"batch {batch}" if out != "1" else "1 out"),
                                        ("ours", *rivals[flavour], batch, out),
                                        (flavour, compiler, f"batch {batch} depth {out}"), goal))
        moves = """
        Queue of 256, payload untouched. ring: a packed prototype; 0_9, poll, inorder: split rings; ptr_ring:
        pointers one way. Each publishes buffer by buffer, ours a batch."""
        return [Section("Rings and ringtest", "Linux 6.1 tools/virtio/ringtest", moves, found)]


class RteRing:
    """DPDK's own ring."""

    package = "libdpdk-dev"

    def __init__(self, run):
        self.version = build.run("pkg-config", "--modversion", "libdpdk").strip()
        self.harness = Harness(build.rte_ring(), run.cpus)
        self.slices = run.slices

    def round(self, number, samples):
        self.harness.slices(number, self.slices, samples, ("dpdk",))

    def sections(self):
        found = []
        for batch in (1, 32):
            for floor in ("packed", "split in-order"):
                ours = ("dpdk", f"floor {floor} batch {batch}")
                found.append(Comparison(f"{floor} floor, batch {batch}", ours, ("dpdk", f"rte_ring batch {batch}")))
            for ring, order in (("packed", "any"), ("split", "in-order")):
                found.append(Comparison(name(ring, order, str(batch), "256"), ("ours", ring, order, str(batch), "256"),
                                        ("dpdk", f"rte_ring batch {batch}")))
        moves = """
        rte_ring: pointers of 8 bytes, one way, one producer, one consumer. Ours: descriptors of 16 bytes that
        come back."""
        return [Section("Rings, floors and rte_ring", "DPDK rte_ring", moves, found)]

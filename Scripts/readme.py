#!/usr/bin/env python3
"""readme.py RINGBENCH [--check]: fills the figures of README.md and of other pages from the committed results.

A page holds `<!-- figures: NAME -->` and `<!-- figures: end -->`; what is between them is generated here. Tables come from
`ringbench convert --format markdown`, sentences from the rows of the JSON. With --check nothing is written, and the
program fails where a page or a picture is stale.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

PAGES = ["README.md", "bench-results/README.md", "Documentation/crossovers.md", "Documentation/ring-cost.md", "Documentation/guest.md",
         "Documentation/peers.md", "Sources/RingKit/RingKit.docc/Glossary.md", "Sources/RingKit/RingKit.docc/ChoosingADMAPath.md"]
CLASSES = {"same-l3": "two cores behind one L3", "cross-l3": "two cores behind different L3s"}
# The question of 2018, path by path.
ASKED = {
    "identity": "virtio through the DMA API, no IOMMU",
    "iommu-strict": "the forced IOMMU, each unmap invalidated",
    "iommu-lazy": "the forced IOMMU, invalidations deferred",
    "viommu (process)": "the forced IOMMU, emulated by the hypervisor",
    "swiotlb": "everything bounced, as in a confidential VM",
    "dma-mask": "`bus_dma_mask`: half of the buffers bounced",
}


class Results:
    """The newest committed result of each kind."""

    def __init__(self, ringbench):
        self.ringbench = ringbench

    def path(self, kind):
        found = sorted(glob.glob(f"bench-results/????-??-??-*-{kind}.json"))
        if not found:
            sys.exit(f"readme: no result bench-results/*-{kind}.json")
        return found[-1]

    def document(self, kind):
        with open(self.path(kind), encoding="utf-8") as file:
            return json.load(file)

    def markdown(self, kind):
        """What `ringbench convert` makes of the measured paths: text up to the first table of another kind."""
        command = [self.ringbench, "convert", self.path(kind), "--format", "markdown"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return text.split("\n| hybridCalibration |")[0].strip() + "\n"


def table(rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def ascending(values, digits):
    """The range of some figures, as text."""
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return low if low == high else f"{low} to {high}"


def answer(results):
    """One sentence, and the paths of the question: × direct at 1,500 bytes, device-readable, split ring."""
    text = results.markdown("cost")
    cells = {path: [] for path in ASKED}
    for placement in CLASSES:
        part = text.split(f"(class `{placement}`", 1)[1].split("| split, ns a buffer")[1].split("\n\n")[0]
        for line in part.splitlines():
            columns = [column.strip() for column in line.strip("|").split("|")]
            path = columns[0].strip("`")
            if path in cells:
                cells[path].append(re.search(r"\(([0-9.,]+)\)", columns[1]).group(1) + " ×")
    rows = [["what a buffer takes, × `direct`", "path"] + list(CLASSES.values()), ["---", "---", "---:", "---:"]]
    rows += [[words, f"`{path.split(' ')[0]}`"] + cells[path] for path, words in ASKED.items()]
    return f"**{text.splitlines()[0]}** {otherwise(results)}\n\n" + table(rows)


def otherwise(results):
    """What the answer says of one placement class, of the other."""
    rows = [row for row in results.document("cost")["results"] if row["kind"] == "path" and row["path"] == "iommu-strict"]
    rows = [row for row in rows if not row.get("isolated") and row["placement"]["class"] == "cross-l3"]
    direct = ascending([row["ratioToDirect"]["median"] for row in rows], 1)
    bounced = ascending([row["ratioToSwiotlb"]["median"] for row in rows], 1)
    return f"That is behind one L3; across two L3s it costs {direct} times direct and {bounced} times swiotlb."


def findings(results):
    """What the tables say, each figure taken from their rows."""
    document = results.document("cost")
    rows = [row for row in document["results"] if row["kind"] == "path" and "ratioToDirect" in row]

    def ratios(path, digits=2, **wanted):
        chosen = [row["ratioToDirect"]["median"] for row in rows if row["path"] == path and matches(row, wanted)]
        return ascending(chosen, digits)

    def matches(row, wanted):
        return all((row.get("placement", {}).get("class") if key == "placement" else row[key]) == value for key, value in wanted.items())

    def microseconds(path):
        return ascending([row["nsPerBuffer"]["median"] / 1000 for row in rows if row["path"] == path], 0)

    def apart(placement):
        key = lambda row: (row["ring"], row["direction"], row["bytes"])
        at = lambda path: {
            key(row): row["nsPerBuffer"]["median"] for row in rows if row["path"] == path and matches(row, {"placement": placement})
        }
        strict, lazy = at("iommu-strict"), at("iommu-lazy")
        return ascending([strict[point] - lazy[point] for point in strict], 0)

    def trip(placement):
        return ascending([row["placement"]["roundTripNs"] for row in rows if row["placement"]["class"] == placement], 0)

    hot = [row["ratioToDirect"]["median"] for row in results.document("swiotlb-1mib")["results"] if row.get("path") == "swiotlb"]
    strict = [1 - 1 / row["ratioToDirect"]["median"] for row in rows if row["path"] == "iommu-strict" and row["bytes"] == 1500]
    return f"""\
- Going through the DMA API costs nothing that shows: `identity` takes {ratios("identity")} times as long as `direct`, and a mapping
  that stays (`premapped`) {ratios("premapped")} times. An IOMMU's price is mapping and unmapping, not translating.
- The forced IOMMU takes {ascending([100 * share for share in strict], 0)} % of the throughput at 1,500 bytes when strict
  ({ratios("iommu-strict", bytes=1500)} times the time). Deferred invalidation (`iommu-lazy`) costs {ratios("iommu-lazy", bytes=1500)} times there.
- Strict is {apart("same-l3")} ns a buffer above lazy behind one L3, where a cache line's round trip takes {trip("same-l3")} ns, and
  {apart("cross-l3")} ns above it across two, where that takes {trip("cross-l3")} ns. No hardware IOTLB and no VM exit is in these
  figures: an invalidation costs what two cores need to tell each other. Take it as the least that a forced IOMMU can cost.
- Forced as QEMU emulates it, each invalidation a message to another process, the IOMMU costs {microseconds("viommu")} µs a buffer.
  The CPU's own MMU as the IOMMU costs {microseconds("mmu")} µs.
- A copy into a buffer of the queue's own (`shadow`) costs {ratios("shadow", placement="same-l3")} times `direct` behind one L3.
- Bouncing (`swiotlb`) costs {ratios("swiotlb", placement="same-l3")} times `direct` behind one L3. The larger part is not the copies: the pool's
  cursor walks through 64 MiB, so every slot is cold. With a pool of 1 MiB (`--swiotlb-mib 1`) it is {ascending(hot, 2)} times.
- Across two L3s the order turns: `swiotlb` costs {ratios("swiotlb", placement="cross-l3", bytes=4096)} times `direct` at 4,096 bytes. A payload
  line that the other complex has just read must be taken back from it before it can be written again; a slot of the large
  pool has left its cache by the time it comes round. Where the two CPUs are decides more than which path is taken.
"""


def crossovers(results):
    """Where paths meet, from the sweep: measured with its interval, and predicted."""
    wanted = [["iommu-strict", "shadow"], ["iommu-strict", "swiotlb"], ["direct", "swiotlb"], ["direct", "shadow"]]
    rows = [["paths", "CPUs", "direction", "measured, bytes (95 %)", "predicted"], ["---"] * 5]
    for pair in wanted:
        for row in results.document("sweep")["crossovers"]:
            if row["paths"] != pair:
                continue
            said = [
                f"from {m['bytes']['median']:,.0f} on `{m['cheaperAbove']}` is cheaper"
                f" ({m['bytes']['low']:,.0f}–{m['bytes']['high']:,.0f})"
                for m in row["meetings"]
            ]
            said = said or [f"`{row['cheaperThroughout']}` is cheaper at all sizes, {row['sizes'][0]:,} to {row['sizes'][1]:,}"]
            predicted = row.get("predicted") or ["-"]
            names = f"`{pair[0]}`, `{pair[1]}`"
            rows.append([names, row["placement"], row["direction"].removeprefix("device-"), "; ".join(said), predicted[0]])
    return table(rows)


def rings(results):
    """The rings alone beside their floors: full batches, and one buffer outstanding."""
    rows = [["ring", "order", "batch", "outstanding", "ns a buffer", "floor, ns", "× floor (95 %)"], ["---"] * 2 + ["---:"] * 5]
    for row in results.document("ring")["results"]:
        if row["kind"] != "ring":
            continue
        labels, ratio = row["labels"], row["ratioToFloor"]
        floor = next(figure["value"] for figure in row["figures"] if figure["name"] == "floorNs")
        order = "in-order" if labels["inOrder"] == "true" else "any"
        interval = f"{ratio['median']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})"
        rows.append([row["ring"], order, labels["batch"], labels["outstanding"], figure3(row["nsPerBuffer"]["median"]), figure3(floor), interval])
    return table(rows)


def guest_rows(document, device, passes):
    """The figures by setting of the rows of one ring, size and depth: what a run without options measures."""
    sizes = {"blk": 4096, "net": 1514}
    rows = []
    for row in document["results"]:
        figures = {figure["name"]: figure for figure in row["figures"]}
        if (row["labels"].get("guestDevice", "blk") == device and passes[0][0] + "KernelInstructions" in figures
                and (row["ring"], row["bytes"], row["depth"]) == ("split", sizes[device], 1)):
            rows.append((row["labels"]["setting"], figures))
    return rows


def guest_tables(rows, passes, name, buffers):
    """Instructions of each pass, counts of a request, and the first pass's instructions by what its functions are for."""

    def cell(figures, operation):
        kernel = figures[f"{operation}KernelInstructions"]
        spread = 50 * (kernel["high"] - kernel["low"]) / kernel["value"]
        over = figures.get(f"{operation}KernelOverDirect")
        return [f"{kernel['value']:,.0f} ± {spread:.2f} %", f"{over['value']:+,.0f}" if over else "-"]

    lines = [["setting"] + [head for operation, words in passes for head in (words, "over direct")]]
    lines += [["---"] + ["---:"] * 2 * len(passes)]
    counts = [[f"a {name}'s", "maps", "IOTLB misses", "invalidations", "bounces"], ["---"] + ["---:"] * 4]
    for setting, figures in rows:
        def each(figure, of, factor=1):
            return f"{factor * figures[figure]['value'] / figures[of]['value']:.2f}"

        lines.append([f"`{setting}`"] + [text for operation, _ in passes for text in cell(figures, operation)])
        # A kernel without an IOMMU has no such event, and counts none.
        counts.append([f"`{setting}`", each("guestEventsMap", "tracedRequests"),
                       each("deviceIotlbMisses", "deviceBuffers", buffers),
                       each("deviceIotlbInvalidations", "deviceBuffers", buffers),
                       each("guestEventsSwiotlb_bounced", "tracedRequests")])
    operation, words = passes[0]
    names = sorted({figure for _, figures in rows for figure in figures if figure.startswith(operation + "In")})
    shares = [[f"{words}'s, by function"] + [f"`{setting}`" for setting, _ in rows], ["---"] + ["---:"] * len(rows)]
    for figure in names:
        text = re.sub("([A-Z])", lambda found: " " + found.group(1).lower(), figure.removeprefix(operation + "In"))
        values = [figures.get(figure, {"value": 0})["value"] for _, figures in rows]
        shares.append([text.strip()] + [f"{value:,.0f}" for value in values])
    return table(lines) + "\n" + table(counts) + ("\n" + table(shares) if names else "")


DISK = [("write", "a write"), ("read", "a read")]
FRAMES = [("exchange", "a frame")]


def guest(results, kind="guest"):
    """Instructions a request of a Linux guest: the whole, the counts, and a write's by what its functions are for."""
    document = results.document(kind)
    run = f"`{document['run']['command']}`, Linux {document['results'][0]['labels']['guestKernel']}:"
    text = f"{run}\n\n" + guest_tables(guest_rows(document, "blk", DISK), DISK, "request", 1)
    frames = guest_rows(document, "net", FRAMES)
    if frames:
        text += "\nA frame of 1,514 bytes, sent and received:\n\n" + guest_tables(frames, FRAMES, "frame", 2)
    return text


# Of each step: the group in the guest's table, the setting that has it, and what ours does more or less than Linux, and why.
STEPS = [
    ("ring", "Ring", "direct",
     "ours does less a request and more a map: Linux has three segments in an indirect table, a notification and the handler of an "
     "interrupt; ours has one descriptor, no notification, and holds each completion against what is in flight"),
    ("DMA mapping", "DmaMapping", "access-platform",
     "ours does less: an indirect call and the check of a mask. Linux also asks at each map whether to bounce and at each unmap whether it did, "
     "and whether caches are coherent"),
    ("DMA mapping, IOMMU", "DmaMapping", "forced-iommu-strict",
     "no loop of ours tells it apart; it has no such layer, the mapper's code is inlined. Linux looks for the domain, aligns to its "
     "granule, and collects what is unmapped"),
    ("IOVA allocation", "IovaAllocation", "forced-iommu-strict",
     "no loop of ours tells it apart; both take a range from a magazine of the CPU under a lock. Linux first computes the limit and the size class, and asks "
     "which kind of domain it is"),
    ("page table", "PageTable", "forced-iommu-strict",
     "ours does less: both walk four levels at each map and unmap. Linux looks for the largest page that fits, at each call, and clears through "
     "the levels recursively; ours has a way of its own for one page"),
    ("invalidation", "Invalidation", "forced-iommu-strict",
     "ours does less: one request and one wait. Linux submits twice, to the IOMMU and to the device's IOTLB, each with a descriptor to "
     "wait for and a write to a register. What lazy takes to defer is not in our figure"),
    ("locks, lists of these", "Helpers", "forced-iommu-strict",
     "ours does less: a lock is one atomic exchange in line. Linux finds the IOMMUs of a domain in a tree, and each lock is a call that "
     "switches interrupts off"),
    ("bounce search", "BounceSearch", "swiotlb",
     "ours does less: the same search and the same run lengths of free slots. Linux corrects these slot by slot, ours eight slots a step"),
    ("bounce copy", "BounceCopy", "swiotlb",
     "ours does less: memcpy of 64 bytes. Linux first finds what the slot stands for and checks its bounds; the page is then one "
     "repeated instruction, which counts once"),
]


def steps(results):
    """Each step of Linux's, from the guest's table, beside the loop of ours that has it, from the gate's record."""
    rows = dict(guest_rows(results.document("guest"), "blk", DISK))
    with open("bench-results/instructions.json", encoding="utf-8") as file:
        gate = json.load(file)

    def loop(path, name, direction="device-readable"):
        return next(row[name] for row in gate["rows"] if (row["ring"], row["inOrder"], row["path"], row["direction"], row["batch"])
                    == ("split", False, path, direction, 1))

    def driver(path):
        return loop(path, "addAndPublish") + loop(path, "reclaim")

    def value(setting, figure):
        return rows[setting].get(figure, {"value": 0})["value"]

    maps = value("forced-iommu-strict", "guestEventsMap") / value("forced-iommu-strict", "tracedRequests")
    copy = loop("swiotlb", "reclaim", "device-writable") - loop("swiotlb", "reclaim")
    invalidation = loop("iommu-strict", "reclaim") - loop("iommu-lazy", "reclaim")
    strict = driver("iommu-strict") - driver("direct")
    ours = {
        "ring": (driver("direct"), "`direct`: addAndPublish, reclaim"),
        "DMA mapping": (driver("identity") - driver("direct"), "`identity` less `direct`: addAndPublish, reclaim"),
        "DMA mapping, IOMMU": (None, "in addAndPublish and reclaim of `iommu-strict`"),
        "IOVA allocation": (None, "in addAndPublish (allocate) and reclaim (free) of `iommu-strict`"),
        "page table": (None, "in addAndPublish (map) and reclaim (unmap) of `iommu-strict`"),
        "invalidation": (invalidation, "`iommu-strict` less `iommu-lazy`: reclaim, and in it the device's part"),
        "locks, lists of these": (None, "in addAndPublish and reclaim of `iommu-strict`"),
        "bounce search": (driver("swiotlb") - driver("direct") - copy, "`swiotlb` less `direct` and a copy: addAndPublish, reclaim"),
        "bounce copy": (copy, "`swiotlb`, reclaim: device-writable less device-readable, 64 bytes"),
    }
    lines = [["step", "Linux, a request", "Linux, a map", "ours, a buffer", "the loop of ours"]]
    lines += [["---"] + ["---:"] * 3 + ["---"]]
    reasons = ""

    def line(step, linux, found):
        number, where = found
        number = f"< {strict - invalidation:,.0f}" if number is None else f"{number:,.0f}"
        lines.append([step, f"{linux:,.0f}", f"{linux / maps:,.0f}", number, where])

    total = 0
    for step, group, setting, words in STEPS:
        linux = value(setting, f"writeIn{group}") - (value("direct", f"writeIn{group}") if setting != "direct" else 0)
        if setting == "forced-iommu-strict":
            total += linux
        line(step, linux, ours[step])
        reasons += f"- {step}: {words}.\n"
        if step == "locks, lists of these":
            line("the five above", total, (strict, "`iommu-strict` less `direct`: addAndPublish, reclaim"))
    conditions, parameters = gate["conditions"], gate["parameters"]
    return (f"Linux: the table above, over `direct` but for the ring, a request of {maps:.2f} maps. Ours: `instructions.json`, split ring, "
            f"batch 1, {parameters['bytes']} bytes, one map a buffer, {conditions['toolchain'].split(' (')[0]}.\n\n" + table(lines) + "\n" + reasons)


def linux(results):
    """One sentence: what Linux itself executes for a request, by setting."""
    rows = {}
    for setting, figures in guest_rows(results.document("guest"), "blk", DISK):
        rows[setting] = {name: figure["value"] for name, figure in figures.items()}
    more = [f"{rows[setting]['writeKernelOverDirect']:+,.0f} {words}" for setting, words in (
        ("access-platform", "through the DMA API"), ("forced-iommu-strict", "behind a forced IOMMU, strict"),
        ("forced-iommu-lazy", "lazy"), ("swiotlb", "bounced by swiotlb"))]
    return (f"Linux in a guest, kernel instructions a request (a write of 4 KiB, virtio-blk): "
            f"{rows['direct']['writeKernelInstructions']:,.0f} with `direct`;\n{', '.join(more)}.\n"
            "By kernel function: [guest](Documentation/guest.md).\n")


def figure3(value):
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def glossary(_):
    """The words of the report's page, from its source."""
    with open("Sources/BenchPage/Page/ReportPage.swift", encoding="utf-8") as file:
        text = file.read().split('let table = """\n')[1].split('"""')[0]
    rows = [["word", "meaning"], ["---", "---"]]
    for line in text.splitlines():
        if re.match(r" {4}\S", line):
            rows.append([cell.strip() for cell in line.split("|", 1)])
        elif line.strip():
            rows[-1][1] += " " + line.strip()
    return table(rows)


def peers(results):
    """Ours by theirs, a line for each comparison of `make peers` and a column for each class."""
    if not glob.glob("bench-results/????-??-??-*-peers.json"):
        return "None yet: it needs a machine that does nothing else.\n"
    document, lines, sections = results.document("peers"), {}, {}
    for row in document["results"]:
        labels = row["labels"]
        if labels["side"] == "ours":
            ratio = next(figure for figure in row["figures"] if figure["name"] == "ratioToPeer")
            text = f"{figure3(ratio['value'])} ({figure3(ratio['low'])}–{figure3(ratio['high'])})"
            lines.setdefault((labels["section"], labels["point"]), {})[row["placement"]["class"]] = text
            sections[labels["section"]] = row["note"]
    seen = [name for name in ("smt", *CLASSES, "cross-node") if any(name in line for line in lines.values())]
    text = f"`{document['run']['command']}`, {document['machine']['cpuModel']}, our time divided by theirs (95 %):\n"
    for section, moves in sections.items():
        rows = [[section] + [f"`{name}`" for name in seen], ["---"] + ["---:"] * len(seen)]
        rows += [[point] + [line.get(name, "-") for name in seen] for (at, point), line in lines.items() if at == section]
        text += f"\n{table(rows)}\n{moves}\n"
    return text


def explained(results):
    """What each path stands for, and how a real guest gets on it, as `ringbench explain` says it."""
    command = [results.ringbench, "explain", "--format", "json"]
    paths = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["paths"]
    rows = [["path", "in short", "how a real guest gets on it"], ["---"] * 3]
    return table(rows + [[f"`{path['path']}`", path["summary"], path["howTo"]] for path in paths])


BLOCKS = {
    "explained": explained,
    "glossary": glossary,
    "answer": answer,
    "findings": findings,
    "cost": lambda results: results.markdown("cost"),
    "swiotlb-1mib": lambda results: results.markdown("swiotlb-1mib"),
    "crossovers": crossovers,
    "rings": rings,
    "guest": guest,
    "guest-arm64": lambda results: guest(results, "guest-arm64"),
    "guest-backports": lambda results: guest(results, "guest-backports"),
    "steps": steps,
    "linux": linux,
    "peers": peers,
}


def filled(text, page, results):
    def block(match):
        name = match.group(1)
        if name not in BLOCKS:
            sys.exit(f"readme: {page} has a block of figures '{name}'; known are {', '.join(BLOCKS)}")
        return f"<!-- figures: {name} -->\n{BLOCKS[name](results)}<!-- figures: end -->"

    return re.sub(r"<!-- figures: ([\w-]+) -->\n.*?<!-- figures: end -->", block, text, flags=re.DOTALL)


def pictures(results, folder):
    """The ladder of the cost result and the crossovers of the sweep, as `ringbench report` draws them."""
    drawn = {}
    for kind, name in [("cost", "ladder"), ("sweep", "crossover")]:
        path = results.path(kind)
        subprocess.run([results.ringbench, "report", path, "-o", os.devnull, "--svg-dir", folder], check=True)
        stem = os.path.basename(path).removesuffix(".json")
        found = sorted(glob.glob(f"{folder}/{stem}-{name}-split-readable-*.svg"))
        if not found:
            sys.exit(f"readme: {path} has no picture '{name}'")
        with open(found[0], encoding="utf-8") as file:
            drawn[f"bench-results/pictures/{name}.svg"] = file.read()
    return drawn


def main():
    check = "--check" in sys.argv[2:]
    results = Results(sys.argv[1])
    new = {}
    for page in PAGES:
        with open(page, encoding="utf-8") as file:
            new[page] = filled(file.read(), page, results)
    with tempfile.TemporaryDirectory() as folder:
        new.update(pictures(results, folder))
    stale = []
    for path, text in new.items():
        old = open(path, encoding="utf-8").read() if os.path.exists(path) else None
        if old == text:
            continue
        stale.append(path)
        if not check:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    if check and stale:
        sys.exit(f"readme: figures are not those of the committed results: {', '.join(stale)} (run Scripts/readme.sh)")
    print(f"readme: {'up to date' if check or not stale else 'wrote ' + ', '.join(stale)}")


main()

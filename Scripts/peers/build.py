"""Builds the C programs of the peers below .build/peers, the kernel's sources unpacked beside them."""
import os
import pathlib
import re
import shutil
import subprocess

from measure import ROOT, PeerMissing, say

HERE = pathlib.Path(__file__).resolve().parent
BENCH = ROOT / "Sources/CRingBench"
PLACE = ROOT / ".build/peers"
PACKAGE = "linux-source-6.1"
TREES = ["drivers/virtio", "kernel/dma", "include/linux", "include/uapi/linux", "tools/virtio/ringtest"]
# Headers of the kernel that its sources see as they are; all others they name are empty, and kernel.h stands for them.
KEPT = {"linux/virtio_ring.h", "linux/swiotlb.h", "linux/iommu-helper.h", "uapi/linux/virtio_ring.h"}
FLAVOURS = ("ring", "virtio_ring_0_9", "virtio_ring_poll", "virtio_ring_inorder", "ptr_ring")


def run(*command, **options):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    except OSError as error:
        raise PeerMissing(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise PeerMissing(f"{pathlib.Path(command[0]).name} failed: {done.stderr.strip()[-600:]}")
    return done.stdout


def compilers():
    """The peers' and ours: gcc, as distributions use it, and the clang that built ringbench, where it is found."""
    swift = shutil.which(os.environ.get("SWIFT", "swift"))
    clang = pathlib.Path(swift).resolve().parent / "clang" if swift else pathlib.Path("/nonexistent")
    clang = str(clang) if clang.exists() else shutil.which("clang")
    return shutil.which("gcc"), clang


def ours(*sources):
    """Objects of our own sources, with the compiler that ringbench has."""
    gcc, clang = compilers()
    objects = []
    for source in sources:
        objects.append(PLACE / f"{source.stem}.o")
        flags = [] if clang else ["-D__has_feature(x)=0"]
        run(clang or gcc, "-O2", *flags, "-I", BENCH / "include", "-I", HERE, "-c", source, "-o", objects[-1])
    return objects


def common():
    return ours(HERE / "slices.c", BENCH / "probe.c")


def probe():
    """A program that only takes the round trip."""
    PLACE.mkdir(parents=True, exist_ok=True)
    source = PLACE / "probe-main.c"
    source.write_text('#include "slices.h"\nint main(int count, char **cpus) { return peers_serve(0, 0, cpus[1]); }\n')
    gcc, _ = compilers()
    run(gcc, "-O2", "-I", HERE, source, *common(), "-o", PLACE / "probe", "-lpthread")
    return PLACE / "probe"


def linux():
    """The kernel's sources, as far as they are needed, unpacked once for each version of the package."""
    archives = sorted(pathlib.Path("/usr/src").glob(f"{PACKAGE}.tar.*"))
    if not archives:
        raise PeerMissing(f"{PACKAGE} is not installed")
    tree, stamp = PLACE / PACKAGE, PLACE / f"{PACKAGE}.unpacked"
    version = run("dpkg-query", "-W", "-f", "${Version}", PACKAGE)
    if not stamp.exists() or stamp.read_text() != version:
        say(f"unpacking {PACKAGE} {version}")
        shutil.rmtree(tree, ignore_errors=True)
        run("tar", "-xf", archives[0], "-C", PLACE, *[f"{PACKAGE}/{path}" for path in TREES])
        stamp.write_text(version)
    return tree, version


def kring(tree):
    """virtio_ring.c and swiotlb.c as they are, with kernel.h in front, and the driver and device around them."""
    headers, sources = PLACE / "headers", [tree / "drivers/virtio/virtio_ring.c", tree / "kernel/dma/swiotlb.c"]
    shutil.rmtree(headers, ignore_errors=True)
    names = set()
    for source in sources + [tree / "include" / name for name in KEPT]:
        names |= set(re.findall(r"^#include <((?:linux|uapi|asm|xen|trace)/[^>]*)>", source.read_text(), re.MULTILINE))
    for name in names | KEPT:
        (headers / name).parent.mkdir(parents=True, exist_ok=True)
        kept = tree / "include" / name
        (headers / name).write_text(kept.read_text() if name in KEPT else "")
    (headers / "linux/virtio_config.h").write_text((tree / "include/uapi/linux/virtio_config.h").read_text())
    gcc, _ = compilers()
    objects = common() + ours(BENCH / "payload.c")
    for source in [*sources, HERE / "kring.c"]:
        objects.append(PLACE / f"{source.stem}.o")
        run(gcc, "-O2", "-std=gnu11", "-fno-strict-aliasing", "-fno-strict-overflow", "-w", "-I", headers, "-I",
            BENCH / "include", "-I", HERE, "-include", HERE / "kernel.h", "-c", source, "-o", objects[-1])
    run(gcc, *objects, "-o", PLACE / "kring", "-lpthread")
    return PLACE / "kring"


def ringtest(tree):
    """By flavour and compiler: each is much faster with one of the two."""
    objects, made = common(), {}
    for name, compiler in zip(("gcc", "clang"), compilers()):
        for flavour in FLAVOURS if compiler else ():
            program = PLACE / f"ringtest-{flavour}-{name}"
            run(compiler, "-O2", "-w", "-I", tree / "tools/virtio/ringtest", "-I", HERE, f'-DFLAVOUR="{flavour}.c"',
                HERE / "ringtest.c", *objects, "-o", program, "-lpthread")
            made[flavour, name] = program
    return made


def rte_ring():
    gcc, _ = compilers()
    objects = common() + ours(*sorted(BENCH.glob("floor*.c")))
    flags = run("pkg-config", "--cflags", "libdpdk").split()
    libraries = run("pkg-config", "--libs", "libdpdk").split()
    program = PLACE / "rte_ring"
    run(gcc, "-O3", *flags, "-I", BENCH / "include", "-I", HERE, HERE / "rte_ring.c", *objects, "-o", program,
        *libraries, "-lpthread")
    return program

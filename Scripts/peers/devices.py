"""Devices in other processes: DPDK's vhost and virtio-user, qemu-storage-daemon, each in turns with ringbench."""
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import build
from measure import Comparison, PeerMissing, Sample, Section, document, listens, say, start, stop, wait_for

# By layout: the arguments of net_virtio_user, what ringbench drive is told, the feature that must come of them.
LAYOUTS = {
    "split": ("in_order=0", ["--layout", "split"], set()),
    "packed": ("packed_vq=1,in_order=0", ["--layout", "packed"], {"RING_PACKED"}),
    "packed in-order": ("packed_vq=1,in_order=1", ["--layout", "packed", "--in-order"], {"RING_PACKED", "IN_ORDER"}),
}
FRAMES = 256


def driven(run, kind, path, size, depth, count, *arguments, pinned=False):
    """Nanoseconds of a request of `ringbench drive`."""
    output = run.work / "drive.json"
    command = ["taskset", "-c", str(run.cpus[0])] if pinned else []
    command += [run.ringbench, "drive", kind, "--socket", path, "--size", str(size), "--depth", str(depth), *arguments]
    command += ["--requests", str(count), "--quiet", "--format", "json", "--output", output]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(f["value"] for f in document(output)["results"][0]["figures"] if f["name"] == "nsPerRequest")


class Pair:
    """A device and its driver, stopped (SIGSTOP) except while they are measured."""

    def __init__(self, *processes):
        self.processes = processes
        self.hold()

    def hold(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGSTOP)

    def go(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def waited(self):
        """Nanoseconds that all threads could have run and had no CPU."""
        files = [file for process in self.processes for file in glob.glob(f"/proc/{process.pid}/task/*/schedstat")]
        return sum(int(pathlib.Path(file).read_text().split()[1]) for file in files)


class Testpmd:
    """One dpdk-testpmd with one port that sends back what it receives; what it counts is read from its telemetry."""

    def __init__(self, run, name, vdev, cpu, *more):
        self.prefix, self.log = f"peers{os.getpid()}{name}", run.work / f"{name}.log"
        spare = next(other for other in run.cpus if other != cpu)
        command = ["dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--lcores", f"0@{spare},1@{cpu}"]
        command += ["--iova-mode=va", f"--file-prefix={self.prefix}", "--log-level=pmd.net.virtio.init:debug"]
        command += ["--vdev", vdev, "--", "-i", "--forward-mode=io", "--port-topology=loop"]
        command += ["--total-num-mbufs=4096", "--no-mlockall", *more]
        # Its log comes in blocks otherwise.
        self.process = start(["stdbuf", "-oL", *command], self.log, stdin=subprocess.PIPE, text=True)

    def tell(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ready(self):
        wait_for(lambda: "testpmd>" in self.log.read_text(), "dpdk-testpmd", self.process)
        return self

    def connect(self):
        """To its telemetry, which says hello."""
        base = "/var/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")
        self.telemetry = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.telemetry.settimeout(5)
        self.telemetry.connect(f"{base}/dpdk/{self.prefix}/dpdk_telemetry.v2")
        self.telemetry.recv(1024)

    def received(self):
        """Frames that came back, and when that was asked."""
        before = time.perf_counter()
        self.telemetry.send(b"/ethdev/stats,0")
        count = json.loads(self.telemetry.recv(1 << 14))["/ethdev/stats"]["ipackets"]
        return count, (before + time.perf_counter()) / 2

    def quit(self):
        self.process.send_signal(signal.SIGCONT)
        self.tell("stop\nquit")
        stop(self.process, politely=False)


class Net:
    """DPDK's vhost and ours with the same driver; its driver and ours with the same device."""

    package = "dpdk"

    def __init__(self, run):
        if not shutil.which("dpdk-testpmd"):
            raise PeerMissing("dpdk-testpmd is not on the PATH")
        self.run, self.notes = run, {}
        self.version = build.run("dpkg-query", "-W", "-f", "${Version}", "dpdk")
        self.cases = [(layout, size) for layout in LAYOUTS for size in (64, 1500)]

    def driver(self, name, path, arguments, size):
        vdev = f"net_virtio_user0,path={path},queues=1,queue_size={FRAMES},mrg_rxbuf=0,{arguments}"
        driver = Testpmd(self.run, name, vdev, self.run.cpus[0], f"--txpkts={size}").ready()
        driver.tell(f"start tx_first {FRAMES // 32}")
        driver.connect()
        wait_for(lambda: driver.received()[0] > 10 * FRAMES, f"no frame comes back to {name}", driver.process)
        return driver

    def vhost(self, name, path):
        device = Testpmd(self.run, name, f"net_vhost0,iface={path},queues=1", self.run.cpus[1]).ready()
        device.tell("start")
        wait_for(lambda: listens(path), "net_vhost", device.process)
        return device

    def measure(self, rounds, samples):
        for layout, size in self.cases:
            self.case(layout, size, rounds, samples)

    def case(self, layout, size, rounds, samples):
        run, (arguments, ours, wanted) = self.run, LAYOUTS[layout]
        paths = {name: run.work / f"{name}.sock" for name in ("vhost", "ringbench", "driven")}
        vhost = self.vhost("vhost", paths["vhost"])
        theirs = self.driver("driver-of-vhost", paths["vhost"], arguments, size)
        pairs = {"vhost": (Pair(vhost.process, theirs.process), theirs)}
        pinned = ["taskset", "-c", str(run.cpus[1])]
        command = [*pinned, run.ringbench, "device", "net", "--socket", paths["ringbench"]]
        device = start(command, run.work / "device.log")
        wait_for(lambda: listens(paths["ringbench"]), "ringbench device net", device)
        mine = self.driver("driver-of-ringbench", paths["ringbench"], arguments, size)
        pairs["ringbench"] = (Pair(device, mine.process), mine)
        spare = self.vhost("driven", paths["driven"])
        held = Pair(spare.process)
        frames = {"count": 20000}
        for number in range(rounds):
            order = list(pairs) if number % 2 else list(reversed(pairs))
            for name in order:
                self.slice(number, (name, layout, size), *pairs[name], samples)
            self.drive(number, (layout, size), held, paths["driven"], ours, frames, samples)
        for pair, _ in pairs.values():
            pair.go()
        for testpmd in (theirs, mine, vhost, spare):
            testpmd.quit()
        stop(device)
        self.check(layout, size, wanted, (theirs, mine))
        for path in paths.values():
            path.unlink(missing_ok=True)

    def slice(self, number, key, pair, driver, samples):
        before = self.run.probe()
        pair.go()
        time.sleep(0.02)
        waited = pair.waited()
        first, since = driver.received()
        time.sleep(self.run.milliseconds / 1000)
        last, until = driver.received()
        waited = pair.waited() - waited
        pair.hold()
        after = self.run.probe()
        nanoseconds = (until - since) * 1e9
        # The telemetry's own thread takes a little; more than that, and another program had one of the CPUs.
        disturbed = waited > 0.1 * nanoseconds
        if last > first:
            samples.add(("net", *map(str, key)), Sample(number, nanoseconds / (last - first), before, after, disturbed))

    def drive(self, number, point, held, path, arguments, frames, samples):
        before = self.run.probe()
        held.go()
        ns = driven(self.run, "net", path, point[1], FRAMES, frames["count"], *arguments, pinned=True)
        held.hold()
        after = self.run.probe()
        # As many as the other slices' time has room for.
        frames["count"] = max(1000, int(self.run.milliseconds * 1e6 / ns))
        samples.add(("net", "drive", *map(str, point)), Sample(number, ns, before, after))

    def check(self, layout, size, wanted, drivers):
        """With both devices the driver agreed on what was asked for, and moved frames by the same functions."""
        logs = [driver.log.read_text() for driver in drivers]
        bits = {28: "INDIRECT_DESC", 29: "EVENT_IDX", 34: "RING_PACKED", 35: "IN_ORDER"}
        agreed = [int(re.findall(r"features after negotiate = (\w+)", log)[-1], 16) for log in logs]
        names = [{name for bit, name in bits.items() if features >> bit & 1} for features in agreed]
        functions = [re.findall(r"using (.*) ([RT]x) path", log)[-2:] for log in logs]
        if any(have & {"RING_PACKED", "IN_ORDER"} != wanted for have in names) or functions[0] != functions[1]:
            raise RuntimeError(f"{layout}: negotiated {names}, by {functions}")
        said = [f"{name} {way}" for name, way in functions[0]] + [" ".join(sorted(have)) for have in names]
        self.notes[f"{layout}, {size} B"] = said
        for driver, log in zip(drivers, logs):
            lost = sum(int(n) for n in re.findall(r"TX-dropped: (\d+)", log.rsplit("Accumulated", 1)[-1]))
            if lost:
                say(f"{layout}, {size} B: {driver.prefix} dropped {lost} of {FRAMES} frames; the others went on")

    def sections(self):
        frames = [(layout, str(size)) for layout, size in self.cases]
        device, driver = (
            [Comparison(f"{at[0]}, {at[1]} B", ("net", ours, *at), ("net", "vhost", *at), goal) for at in frames]
            for ours, goal in (("ringbench", 1.0), ("drive", None))
        )
        return [
            Section("ringbench device net and DPDK's net_vhost", "DPDK net_vhost", f"""DPDK's virtio-user drives either,
                    io forward, {FRAMES} frames circling. Either copies each frame into memory of its own and from there
                    into a receive buffer.""", device, "ns a frame there and back"),
            Section("ringbench drive net and DPDK's virtio-user", "DPDK net_virtio_user", """DPDK's net_vhost serves
                    either. Ours writes each frame, compares every byte that comes back and times it; virtio-user passes
                    the same buffers on untouched.""", driver, "ns a frame there and back"),
        ]


class Block:
    """qemu-storage-daemon's ways to a file, and ours, with the same driver; nothing is pinned."""

    package = "qemu-system-common"
    aio = {"threads": "aio=threads", "io_uring": "aio=io_uring", "native": "aio=native,cache.direct=on"}
    shapes = {"4 KiB, depth 1": (4096, 1), "64 KiB, depth 16": (65536, 16)}

    def __init__(self, run):
        if not shutil.which("qemu-storage-daemon"):
            raise PeerMissing("qemu-storage-daemon is not on the PATH")
        self.run, self.missing = run, []
        self.version = build.run("dpkg-query", "-W", "-f", "${Version}", self.package)

    def measure(self, rounds, samples):
        run, devices = self.run, {}
        for name in ("ringbench", *self.aio):
            path, image = run.work / f"{name}.sock", run.memory / f"{name}.img"
            # Written, so that no device reads a hole.
            image.write_bytes(os.urandom(1 << 20) * 64)
            command = [run.ringbench, "device", "blk", "--socket", path, "--file", image]
            if name in self.aio:
                export = f"type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,addr.path={path}"
                file = f"driver=file,filename={image},node-name=file,{self.aio[name]}"
                command = ["qemu-storage-daemon", "--blockdev", file]
                command += ["--blockdev", "driver=raw,file=file,node-name=disk", "--export", export]
            devices[name] = start(command, run.work / f"{name}.log")
            try:
                wait_for(lambda: listens(path), name, devices[name])
            except RuntimeError as error:
                say(f"qemu-storage-daemon {name}: {error}: {(run.work / f'{name}.log').read_text().strip()[-200:]}")
                self.missing.append(name)
        requests = {}
        for number in range(rounds):
            order = [name for name in devices if name not in self.missing]
            for shape in self.shapes:
                for name in order if number % 2 else reversed(order):
                    self.drive(number, name, shape, requests, samples)
        for name, process in devices.items():
            stop(process)

    def drive(self, number, name, shape, requests, samples):
        before, count = self.run.probe(), requests.get((name, shape), 2000)
        ns = driven(self.run, "blk", self.run.work / f"{name}.sock", *self.shapes[shape], count)
        after = self.run.probe()
        requests[name, shape] = max(500, int(self.run.milliseconds * 1e6 / ns))
        samples.add(("blk", name, shape), Sample(number, ns, before, after))

    def sections(self):
        found = []
        for shape in self.shapes:
            for name in self.aio:
                if name not in self.missing:
                    found.append(Comparison(f"{shape}, {name}", ("blk", "ringbench", shape), ("blk", name, shape), 1.0))
        return [Section("ringbench device blk and qemu-storage-daemon", "qemu-storage-daemon", """ringbench drive blk
                        reads from either, nothing pinned, files of 64 MiB in memory (tmpfs); native with O_DIRECT.""",
                        found, "ns a request")]

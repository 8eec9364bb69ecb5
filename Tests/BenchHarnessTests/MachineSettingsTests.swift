import Glibc
import Testing

@testable import BenchHarness

/// What is set on a machine, read from trees that look like one.
@Suite struct MachineSettingsTests {
  /// A tree with these files, for as long as `body` runs.
  private func withTree<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    var name = Array("/tmp/ringbench-tree-XXXXXX".utf8CString)
    try #require(unsafe mkdtemp(&name) != nil)
    let root = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var made: [String] = []
    defer {
      for path in made.reversed() { unsafe remove(path) }
      unsafe rmdir(root)
    }
    for (path, text) in files {
      var folder = root
      for part in path.split(separator: "/").dropLast() {
        folder += "/\(part)"
        if unsafe mkdir(folder, 0o755) == 0 { made.append(folder) }
      }
      let descriptor = unsafe open(root + path, O_WRONLY | O_CREAT, 0o644)
      try #require(descriptor >= 0 && FileWrite.all(Array(text.utf8), to: descriptor) == 0)
      close(descriptor)
      made.append(root + path)
    }
    return try body(root)
  }

  @Test func whatTheKernelShowsIsRead() throws {
    let cpu = "/sys/devices/system/cpu"
    let files = [
      "/sys/class/dmi/id/sys_vendor": "QEMU\n", "/proc/cpuinfo": "flags\t\t: fpu avx2 erms hypervisor\n",
      "\(cpu)/cpu0/cpufreq/scaling_governor": "powersave\n", "\(cpu)/cpu1/cpufreq/scaling_governor": "performance\n",
      "\(cpu)/intel_pstate/no_turbo": "1\n", "\(cpu)/isolated": "2-3\n",
      "/sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock\n",
      "/proc/sys/kernel/numa_balancing": "0\n", "/proc/self/cgroup": "0::/a/b\n",
      "/sys/fs/cgroup/a/cpu.max": "150000 100000\n", "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "/proc/stat": "cpu  10 0 10 70 0 0 0 10 0 0\ncpu0 1 1 1 1\n",
    ]
    let settings = try withTree(files) { MachineSettings.read(root: $0) }
    #expect(settings.vendor == "QEMU" && settings.cpuFlags == ["avx2", "erms", "hypervisor"])
    #expect(settings.governors == ["performance", "powersave"] && settings.boost == false)
    #expect(settings.isolatedCPUs == [2, 3] && settings.clocksource == "kvm-clock")
    #expect(settings.numaBalancing == false && settings.cpuQuota == 1.5 && settings.stolenShare == 0.1)
  }

  @Test func whatItDoesNotShowIsLeftOut() throws {
    #expect(try withTree([:]) { MachineSettings.read(root: $0) } == MachineSettings())
    let legacy = ["/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"]
    #expect(try withTree(legacy) { MachineSettings.read(root: $0) }.cpuQuota == nil)
  }
}

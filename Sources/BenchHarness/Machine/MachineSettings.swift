import RingKit

/// What about a machine is set, or taken away, rather than built; each only where the kernel shows it.
package struct MachineSettings: Codable, Equatable, Sendable {
  /// The machine's maker and model, as its firmware says; under a hypervisor that is the hypervisor's word.
  var vendor: String?
  var product: String?
  /// `xen`, `kvm` … where the kernel names it.
  var hypervisor: String?
  /// Of the flags of /proc/cpuinfo those that change what is measured: copies, invalidations, clocks.
  var cpuFlags: [String]?
  /// What the kernel does against Spectre v2: what an indirect call costs depends on it.
  var spectreV2: String?
  /// Of the CPUs this process may use, each once.
  var governors: [String]?
  var frequencyDriver: String?
  /// Whether CPUs may run above their nominal frequency.
  var boost: Bool?
  /// `on`, `off`, `forceoff`, `notsupported` and so on.
  var smt: String?
  /// CPUs that the scheduler leaves alone (`isolcpus`).
  var isolatedCPUs: [Int]?
  var nohzFullCPUs: [Int]?
  var clocksource: String?
  /// Whether the kernel moves pages to the nodes that use them.
  var numaBalancing: Bool?
  /// CPUs' worth of time that the control group may use; missing where it has no limit.
  var cpuQuota: Double?
  /// Of all CPUs' time since boot, 0 to 1: what the hypervisor gave to others.
  var stolenShare: Double?

  /// Reads them below `root`: this machine's, or a tree that a test made.
  static func read(root: String = "") -> MachineSettings {
    func text(_ path: String) -> String? {
      let text = SystemFile.text(root + path).map { String(printable: $0.utf8) } ?? ""
      return text.isEmpty ? nil : text
    }
    var settings = MachineSettings()
    let cpu = "/sys/devices/system/cpu"
    settings.vendor = text("/sys/class/dmi/id/sys_vendor")
    settings.product = text("/sys/class/dmi/id/product_name")
    settings.hypervisor = text("/sys/hypervisor/type")
    settings.cpuFlags = flags(SystemFile.lines(root + "/proc/cpuinfo"))
    settings.spectreV2 = text(cpu + "/vulnerabilities/spectre_v2")
    settings.governors = governors(root + cpu)
    settings.frequencyDriver = text(cpu + "/cpu0/cpufreq/scaling_driver")
    settings.boost =
      text(cpu + "/cpufreq/boost").map { $0 == "1" } ?? text(cpu + "/intel_pstate/no_turbo").map { $0 == "0" }
    settings.smt = text(cpu + "/smt/control")
    // Where there are none the file is empty, which says so.
    settings.isolatedCPUs = SystemFile.text(root + cpu + "/isolated").map { CPUList.parse($0) }
    settings.nohzFullCPUs = text(cpu + "/nohz_full").map { CPUList.parse($0) }
    settings.clocksource = text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    settings.numaBalancing = text("/proc/sys/kernel/numa_balancing").map { $0 != "0" }
    settings.cpuQuota = MachineCheck(SystemTree(root: root), cpus: []).leastQuota.flatMap { $0.isFinite ? $0 : nil }
    settings.stolenShare = stolenShare(SystemFile.lines(root + "/proc/stat"))
    return settings
  }

  private static let telling: Set<Substring> = [
    "avx2", "avx512f", "avx512vl", "clflushopt", "clwb", "constant_tsc", "erms", "fsrm", "hypervisor", "invpcid",
    "movdir64b", "movdiri", "nonstop_tsc", "pcid", "rdtscp", "tsc_adjust", "waitpkg", "atomics", "lrcpc", "sve", "wfxt",
  ]

  private static func flags(_ information: [Substring]) -> [String]? {
    let line = information.first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }
    return line?.split { $0 == " " || $0 == "\t" }.filter { telling.contains($0) }.map { String($0) }.sorted()
  }

  private static func governors(_ folder: String) -> [String]? {
    var governors: Set<String> = []
    for name in SystemFile.names(in: folder) where name.hasPrefix("cpu") && Int(name.dropFirst(3)) != nil {
      if let governor = SystemFile.text("\(folder)/\(name)/cpufreq/scaling_governor") {
        governors.insert(String(printable: governor.utf8))
      }
    }
    return governors.isEmpty ? nil : governors.sorted()
  }

  private static func stolenShare(_ lines: [Substring]) -> Double? {
    guard let line = lines.first(where: { $0.hasPrefix("cpu ") }) else { return nil }
    let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
    // user nice system idle iowait irq softirq steal; a guest's time is in user already.
    let sum = ticks.prefix(8).reduce(0, +)
    guard ticks.count >= 8, sum > 0 else { return nil }
    return Rounded.value(ticks[7] / sum)
  }
}

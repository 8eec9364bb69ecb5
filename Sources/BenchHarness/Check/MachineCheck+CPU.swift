import RingKit

/// The clock of the two CPUs, and what else runs on them.
extension MachineCheck {
  func governor() -> CheckFinding? {
    var slow: [Int] = []
    var names: [String] = []
    for cpu in cpus {
      let folder = "\(Self.cpuFolder)/cpu\(cpu)/cpufreq"
      guard let governor = tree.text("\(folder)/scaling_governor") else { continue }
      // With hardware states the preference decides, and the governor of that name is the usual one.
      let preference = tree.text("\(folder)/energy_performance_preference")
      let name = String(foreign: governor) + (preference.map { " (\(String(foreign: $0)))" } ?? "")
      if !names.contains(name) { names.append(name) }
      if governor != "performance" && preference != "performance" { slow.append(cpu) }
    }
    guard !names.isEmpty else { return nil }
    let words = names.joined(separator: ", ")
    guard !slow.isEmpty else { return CheckFinding("governor", .fine, words) }
    return CheckFinding(
      "governor", .disturbs, "\(words) on CPU \(CPUList.text(slow))", advice: "cpupower frequency-set -g performance")
  }

  func boost() -> CheckFinding? {
    let inverse = "\(Self.cpuFolder)/intel_pstate/no_turbo"
    let direct = "\(Self.cpuFolder)/cpufreq/boost"
    let off: (path: String, value: Int)
    let isOn: Bool
    if let value = tree.number(inverse) {
      (off, isOn) = ((inverse, 1), value == 0)
    } else if let value = tree.number(direct) {
      (off, isOn) = ((direct, 0), value != 0)
    } else {
      return nil
    }
    guard isOn else { return CheckFinding("boost", .fine, "off") }
    return CheckFinding(
      "boost", .disturbs, "on: the clock follows temperature and load", advice: "echo \(off.value) > \(off.path)")
  }

  func siblings() -> CheckFinding? {
    guard tree.number("\(Self.cpuFolder)/smt/active") == 1 else {
      return tree.exists("\(Self.cpuFolder)/smt/active") ? CheckFinding("SMT", .fine, "off") : nil
    }
    var others: [Int] = []
    var isOneCore = false
    for cpu in cpus {
      let list = tree.text("\(Self.cpuFolder)/cpu\(cpu)/topology/thread_siblings_list") ?? ""
      for other in CPUList.parse(list) where other != cpu {
        if cpus.contains(other) { isOneCore = true } else { others.append(other) }
      }
    }
    if isOneCore {
      return CheckFinding(
        "SMT", .note, "\(cpuNames) are threads of one core", advice: "--device-cpu of another core compares cores")
    }
    let idle = Set(isolated)
    others.removeAll { idle.contains($0) }
    guard !others.isEmpty else { return CheckFinding("SMT", .fine, "on; the other threads of both cores are idle") }
    return CheckFinding(
      "SMT", .disturbs, "CPU \(CPUList.text(others)) shares a core with \(cpuNames)",
      advice: "echo 0 > \(Self.cpuFolder)/cpu\(others.min() ?? 0)/online")
  }

  private var isolated: [Int] { CPUList.parse(tree.text("\(Self.cpuFolder)/isolated") ?? "") }

  func isolation() -> CheckFinding? {
    guard tree.exists("\(Self.cpuFolder)/isolated") else { return nil }
    let isolated = isolated
    guard !cpus.allSatisfy({ isolated.contains($0) }) else {
      return CheckFinding("isolcpus", .fine, "\(cpuNames) are isolated")
    }
    let other = isolated.isEmpty ? "" : ", but CPU \(CPUList.text(isolated)) is"
    return CheckFinding(
      "isolcpus", .note, "\(cpuNames) not isolated\(other)", advice: "boot with isolcpus=\(CPUList.text(cpus))")
  }

  func load() -> CheckFinding? {
    guard let words = tree.text("/proc/loadavg")?.split(separator: " "), let first = words.first,
      let load = Double(first), load.isFinite
    else { return nil }
    let online = max(onlineCPUs.count, 1)
    let text = "\(NumberText.fixed(load, 2)) in the last minute on \(online) CPU\(online == 1 ? "" : "s")"
    guard load > Double(online - cpus.count) + 0.5 else { return CheckFinding("load", .fine, text) }
    return CheckFinding("load", .disturbs, text, advice: "stop other programs, or wait until they are done")
  }

  /// Tasks that run, or want to, and were last on one of the CPUs.
  func otherUsers() -> CheckFinding? {
    let own = value(of: "Pid", in: "/proc/self/status").flatMap { Int($0) }
    var names: [String] = []
    var count = 0
    let processes = tree.names(in: "/proc").compactMap { Int($0) }
    guard !processes.isEmpty else { return nil }
    for process in processes where process != own {
      for task in tree.names(in: "/proc/\(process)/task") {
        guard let stat = tree.text("/proc/\(process)/task/\(task)/stat"), let found = Self.running(stat),
          cpus.contains(found.cpu)
        else { continue }
        count += 1
        if !names.contains(found.name) { names.append(found.name) }
      }
    }
    guard count > 0 else { return CheckFinding("other users", .fine, "none on \(cpuNames) now") }
    let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    return CheckFinding(
      "other users", .disturbs, "\(count) on \(cpuNames): \(shown)", advice: "stop them, or taskset them elsewhere")
  }

  /// The name and the CPU of a task that runs; its name may hold blanks and brackets.
  static func running(_ stat: String) -> (name: String, cpu: Int)? {
    guard let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")"), open < close else { return nil }
    let fields = stat[stat.index(after: close)...].split(separator: " ")
    // The third field of all is the first here; the CPU is the 39th of all.
    guard fields.count > 36, fields[0] == "R", let cpu = Int(fields[36]) else { return nil }
    return (String(foreign: stat[stat.index(after: open)..<close]), cpu)
  }

  func interrupts() -> CheckFinding? {
    let numbers = tree.names(in: "/proc/irq").filter { Int($0) != nil }
    var (served, shown) = (0, 0)
    for number in numbers {
      guard let list = tree.text("/proc/irq/\(number)/effective_affinity_list"), !list.isEmpty else { continue }
      shown += 1
      if CPUList.parse(list).contains(where: { cpus.contains($0) }) { served += 1 }
    }
    // On as many CPUs as are measured on there is no other CPU for them.
    guard shown > 0, onlineCPUs.count > cpus.count else { return nil }
    guard served > 0 else { return CheckFinding("interrupts", .fine, "none is served by \(cpuNames)") }
    let others = CPUList.text(onlineCPUs.filter { !cpus.contains($0) })
    return CheckFinding(
      "interrupts", .note, "\(served) of \(shown) are served by \(cpuNames)", advice: "boot with irqaffinity=\(others)")
  }
}

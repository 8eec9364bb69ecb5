import RingKit

/// What the hypervisor, the control group and the kernel's settings do to a measurement.
extension MachineCheck {
  func quota() -> CheckFinding? {
    guard let least = leastQuota else { return nil }
    guard least.isFinite else { return CheckFinding("CPU quota", .fine, "none") }
    let text = "\(NumberText.fixed(least, 2)) CPUs"
    guard least < Double(cpus.count) else { return CheckFinding("CPU quota", .fine, text) }
    return CheckFinding(
      "CPU quota", .disturbs, "\(text), and both threads spin: they are stopped many times a second",
      advice: "raise it to \(cpus.count) or more (cpu.max, --cpus)")
  }

  /// CPUs' worth of time that this process may use: infinite where there is no limit, `nil` where none is shown.
  var leastQuota: Double? { quotas().min() }

  /// CPUs' worth of time for each control group from this process's to the root; infinite where there is no limit.
  private func quotas() -> [Double] {
    var quotas: [Double] = []
    for line in tree.lines("/proc/self/cgroup") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("cpu") else { continue }
      // A container has its own group at the root, whatever the path says.
      var group = String(parts[2])
      while true {
        if group == "/" { group = "" }
        for root in isUnified ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/cpu"] {
          if let quota = isUnified ? unified("\(root)\(group)") : legacy("\(root)\(group)") { quotas.append(quota) }
        }
        guard let slash = group.lastIndex(of: "/") else { break }
        group = String(group[..<slash])
      }
    }
    return quotas
  }

  private func unified(_ folder: String) -> Double? {
    guard let words = tree.text("\(folder)/cpu.max")?.split(separator: " "), words.count == 2,
      let period = Double(words[1]), period > 0
    else { return nil }
    return words[0] == "max" ? .infinity : Double(words[0]).map { $0 / period }
  }

  private func legacy(_ folder: String) -> Double? {
    guard let quota = tree.number("\(folder)/cpu.cfs_quota_us"),
      let period = tree.number("\(folder)/cpu.cfs_period_us"), period > 0
    else { return nil }
    return quota < 0 ? .infinity : Double(quota) / Double(period)
  }

  func steal() -> CheckFinding? {
    var (stolen, total) = (0.0, 0.0)
    for line in tree.lines("/proc/stat") {
      let words = line.split(separator: " ")
      guard let name = words.first, name.hasPrefix("cpu"), let cpu = Int(name.dropFirst(3)), cpus.contains(cpu),
        words.count > 8
      else { continue }
      // Guest time, the last two, is in user time as well.
      let ticks = words[1...8].compactMap { Double($0) }
      guard ticks.count == 8 else { continue }
      stolen += ticks[7]
      total += ticks.reduce(0, +)
    }
    // A kernel on metal counts none.
    guard total > 0, isUnderHypervisor || stolen > 0 else { return nil }
    let percent = stolen / total * 100
    let text = "\(NumberText.fixed(percent, 2)) % of \(cpuNames) since boot"
    guard percent >= 0.1 else { return CheckFinding("steal", .fine, text) }
    return CheckFinding("steal", .disturbs, text, advice: "ask for dedicated CPUs, or a quieter host")
  }

  func hypervisor() -> CheckFinding? {
    guard isUnderHypervisor else { return nil }
    return CheckFinding(
      "hypervisor", .note, "it may move CPUs between host cores; classes come from round trips",
      advice: "pin virtual CPUs on the host (virsh vcpupin)")
  }

  func clockSource() -> CheckFinding? {
    let folder = "/sys/devices/system/clocksource/clocksource0"
    guard let current = tree.text("\(folder)/current_clocksource"), !current.isEmpty else { return nil }
    // Those that are read without a system call.
    let quick = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"]
    guard !quick.contains(current) else { return CheckFinding("clocksource", .fine, current) }
    let available = tree.text("\(folder)/available_clocksource")?.split(separator: " ") ?? []
    let better = quick.first { name in available.contains { $0 == name } }
    return CheckFinding(
      "clocksource", .disturbs, "\(String(foreign: current)): each reading is a slow access",
      advice: better.map { "echo \($0) > \(folder)/current_clocksource" } ?? "boot with tsc=reliable if the TSC is good"
    )
  }

  func transparentPages() -> CheckFinding? {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled"
    guard let setting = tree.text(path), let open = setting.firstIndex(of: "["),
      let close = setting[open...].firstIndex(of: "]")
    else { return nil }
    let chosen = setting[setting.index(after: open)..<close]
    guard chosen == "always" else { return CheckFinding("THP", .fine, String(foreign: chosen)) }
    return CheckFinding(
      "THP", .disturbs, "always: 4 KiB pages may become 2 MiB ones during a run", advice: "echo madvise > \(path)")
  }

  func hugePages() -> CheckFinding? {
    let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    guard let reserved = tree.number("\(pool)/nr_hugepages") else { return nil }
    let free = tree.number("\(pool)/free_hugepages") ?? 0
    let text = reserved == 0 ? "none of 2 MiB" : "\(free) of \(reserved) of 2 MiB free"
    guard free == 0 else { return CheckFinding("huge pages", .fine, text) }
    return CheckFinding(
      "huge pages", .note, "\(text), which --page-size 2m wants", advice: "sysctl vm.nr_hugepages=\(reserved + 128)")
  }

  func nodeBalancing() -> CheckFinding? {
    guard let setting = tree.number("/proc/sys/kernel/numa_balancing") else { return nil }
    let nodes = CPUList.parse(tree.text("/sys/devices/system/node/online") ?? "")
    guard setting != 0 else { return CheckFinding("NUMA balancing", .fine, "off") }
    guard nodes.count > 1 else { return CheckFinding("NUMA balancing", .fine, "on, but there is one node") }
    return CheckFinding(
      "NUMA balancing", .disturbs, "on: pages are unmapped to see who uses them",
      advice: "sysctl kernel.numa_balancing=0"
    )
  }

  /// What a container keeps from this process.
  func container() -> CheckFinding? {
    var kind: String?
    if let named = tree.text("/run/systemd/container") { kind = String(foreign: named) }
    if tree.exists("/run/.containerenv") { kind = kind ?? "podman" }
    if tree.exists("/.dockerenv") { kind = kind ?? "docker" }
    let mounts = tree.lines("/proc/mounts")
    let isFaked = mounts.contains { $0.hasPrefix("lxcfs /proc/") }
    if isFaked { kind = kind ?? "lxc" }
    guard let kind else { return nil }
    var hidden = ["programs and interrupts of the host"]
    if isFaked { hidden = ["the host's load (lxcfs)"] + hidden }
    let allowed = CPUList.parse(value(of: "Cpus_allowed_list", in: "/proc/self/status") ?? "")
    let online = onlineCPUs
    if !allowed.isEmpty, allowed.count < online.count {
      hidden.append("all but CPU \(CPUList.text(allowed)) of \(online.count)")
    }
    return CheckFinding(
      "container", .note, "\(kind) hides \(hidden.joined(separator: ", "))", advice: "run this on the host as well")
  }
}

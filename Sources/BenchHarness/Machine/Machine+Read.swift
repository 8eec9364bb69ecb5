import CRing
import Glibc
import RingKit

extension Machine {
  /// Reads this machine; nothing here throws, what the kernel does not tell is left out.
  package static func read() -> Machine {
    let present = CPUList.parse(SystemFile.text("/sys/devices/system/cpu/online") ?? "0")
    let information = SystemFile.lines("/proc/cpuinfo")
    return Machine(
      kernel: SystemFile.text("/proc/sys/kernel/osrelease") ?? "unknown",
      cpuModel: value(of: ["model name", "Processor", "CPU part"], in: information) ?? "unknown",
      architecture: architecture,
      underHypervisor: isUnderHypervisor(information),
      cpus: (0..<Int(cring_cpu_limit())).filter { cring_cpu_usable(Int32($0)) },
      memoryBytes: UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE)))),
      nodes: readNodes(present),
      siblings: readSiblings(present),
      caches: readCaches(present),
      hugePages: .read(),
      numaLibrary: cring_numa_built(),
      settings: .read())
  }

  private static var architecture: String {
    #if arch(x86_64)
    "x86-64"
    #elseif arch(arm64)
    "arm64"
    #else
    "other"
    #endif
  }

  private static func value(of keys: [String], in lines: [Substring]) -> String? {
    for key in keys {
      guard let line = lines.first(where: { $0.hasPrefix(key) }), let colon = line.firstIndex(of: ":") else { continue }
      // The hypervisor's words, where there is one.
      return String(printable: line[line.index(after: colon)...].drop { $0 == " " }.utf8)
    }
    return nil
  }

  // x86 shows it as a flag of the CPU; elsewhere the firmware's tables are what there is.
  private static func isUnderHypervisor(_ information: [Substring]) -> Bool {
    if let flags = information.first(where: { $0.hasPrefix("flags") }) {
      return flags.split(separator: " ").contains("hypervisor")
    }
    return SystemFile.exists("/sys/hypervisor/type") || SystemFile.exists("/proc/device-tree/hypervisor")
      || (SystemFile.text("/sys/class/dmi/id/sys_vendor").map {
        [
          "QEMU",
          "Amazon "
            + "EC2", "Google",
        ].contains($0)
      } ?? false)
  }

  private static func readNodes(_ present: [Int]) -> [NodeDescription] {
    let numbers = (0..<Int(cring_node_limit())).filter { cring_node_exists(Int32($0)) }
    return numbers.map { node in
      var total: UInt64 = 0
      var free: UInt64 = 0
      _ = unsafe cring_node_memory(Int32(node), &total, &free)
      return NodeDescription(
        node: node, cpus: present.filter { cring_node_of_cpu(Int32($0)) == Int32(node) }, memoryBytes: total,
        freeBytes: free, distances: numbers.map { Int(cring_node_distance(Int32(node), Int32($0))) })
    }
  }

  private static func readSiblings(_ present: [Int]) -> [[Int]] {
    var groups: [[Int]] = []
    for cpu in present {
      let list = SystemFile.text("/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list")
      let group = CPUList.parse(list ?? "\(cpu)")
      if !groups.contains(group) { groups.append(group) }
    }
    return groups
  }

  private static func readCaches(_ present: [Int]) -> [CacheDescription] {
    var seen: Set<CacheDescription> = []
    for cpu in present {
      let folder = "/sys/devices/system/cpu/cpu\(cpu)/cache"
      for index in SystemFile.names(in: folder) where index.hasPrefix("index") {
        guard let level = SystemFile.number("\(folder)/\(index)/level") else { continue }
        seen.insert(
          CacheDescription(
            level: level, type: SystemFile.text("\(folder)/\(index)/type")?.lowercased() ?? "unknown",
            bytes: SystemFile.text("\(folder)/\(index)/size").flatMap { try? ByteCount.parse($0) } ?? 0,
            cpus: CPUList.parse(SystemFile.text("\(folder)/\(index)/shared_cpu_list") ?? "\(cpu)")))
      }
    }
    return seen.sorted { ($0.level, $0.type, $0.cpus.first ?? 0) < ($1.level, $1.type, $1.cpus.first ?? 0) }
  }
}

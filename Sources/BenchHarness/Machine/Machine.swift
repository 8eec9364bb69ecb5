import CRing
import Glibc
import RingKit

/// Where a result was measured.
package struct Machine: Codable, Equatable, Sendable {
  package let kernel: String
  package let cpuModel: String
  package let architecture: String
  /// Under one, the topology is what the guest is told, and virtual CPUs move between the host's cores.
  package let underHypervisor: Bool
  /// CPUs this process may run on.
  package let cpus: [Int]
  /// Of the whole machine; the nodes' own figures leave out memory that was plugged in later on some kernels.
  package let memoryBytes: UInt64
  package let nodes: [NodeDescription]
  /// Groups of CPUs that are threads of one core.
  package let siblings: [[Int]]
  package let caches: [CacheDescription]
  package let hugePages: HugePages
  let numaLibrary: Bool
  /// What is set, rather than built, as far as the kernel shows it.
  package var settings: MachineSettings?

  package init(
    kernel: String, cpuModel: String, architecture: String, underHypervisor: Bool, cpus: [Int], memoryBytes: UInt64,
    nodes: [NodeDescription], siblings: [[Int]], caches: [CacheDescription], hugePages: HugePages, numaLibrary: Bool,
    settings: MachineSettings? = nil
  ) {
    self.kernel = kernel
    self.cpuModel = cpuModel
    self.architecture = architecture
    self.underHypervisor = underHypervisor
    self.cpus = cpus
    self.memoryBytes = memoryBytes
    self.nodes = nodes
    self.siblings = siblings
    self.caches = caches
    self.hugePages = hugePages
    self.numaLibrary = numaLibrary
    self.settings = settings
  }

  func node(of cpu: Int) -> Int? { nodes.first { $0.cpus.contains(cpu) }?.node }

  package func pair(_ a: Int, _ b: Int) -> CPUPair {
    let last = caches.map(\.level).max() ?? 0
    return CPUPair(
      areSiblings: siblings.contains { $0.contains(a) && $0.contains(b) },
      shareLastLevelCache: caches.contains { $0.level == last && $0.cpus.contains(a) && $0.cpus.contains(b) },
      shareNode: node(of: a) == node(of: b))
  }

  /// What names the placement classes of a run between two CPUs, by the round trips seen in it.
  package func classifier(_ driverCPU: Int, _ deviceCPU: Int, roundTrips: [Double]) -> PlacementClassifier {
    PlacementClassifier(pair: pair(driverCPU, deviceCPU), underHypervisor: underHypervisor, roundTrips: roundTrips)
  }
}

/// One NUMA node.
package struct NodeDescription: Codable, Equatable, Sendable {
  package let node: Int
  package let cpus: [Int]
  package let memoryBytes: UInt64
  package let freeBytes: UInt64
  /// To each node of the machine, in the order of their numbers; 10 is local.
  package let distances: [Int]

  package init(node: Int, cpus: [Int], memoryBytes: UInt64, freeBytes: UInt64, distances: [Int]) {
    self.node = node
    self.cpus = cpus
    self.memoryBytes = memoryBytes
    self.freeBytes = freeBytes
    self.distances = distances
  }
}

/// One cache and the CPUs behind it, as the kernel shows it; under a hypervisor that is what the guest is told.
package struct CacheDescription: Codable, Hashable, Sendable {
  package let level: Int
  package let type: String
  package let bytes: Int
  package let cpus: [Int]

  package init(level: Int, type: String, bytes: Int, cpus: [Int]) {
    self.level = level
    self.type = type
    self.bytes = bytes
    self.cpus = cpus
  }
}

/// How two CPUs lie to each other, as the topology tells it.
package struct CPUPair: Equatable, Sendable {
  let areSiblings: Bool
  let shareLastLevelCache: Bool
  let shareNode: Bool
}

/// What 2 MiB pages there are.
package struct HugePages: Codable, Equatable, Sendable {
  package let reserved: Int
  package let free: Int
  /// `always`, `madvise` or `never`.
  package let transparent: String

  package init(reserved: Int, free: Int, transparent: String) {
    self.reserved = reserved
    self.free = free
    self.transparent = transparent
  }

  static func read() -> HugePages {
    let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    let setting = SystemFile.text("/sys/kernel/mm/transparent_hugepage/enabled") ?? ""
    let chosen = setting.split(separator: "[").last?.split(separator: "]").first
    return HugePages(
      reserved: SystemFile.number("\(pool)/nr_hugepages") ?? 0,
      free: SystemFile.number("\(pool)/free_hugepages") ?? 0,
      transparent: setting.contains("[") ? chosen.map { String($0) } ?? "never" : "never")
  }
}

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

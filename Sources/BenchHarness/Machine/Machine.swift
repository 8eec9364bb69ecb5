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
  package let numaLibrary: Bool
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

  package func node(of cpu: Int) -> Int? { nodes.first { $0.cpus.contains(cpu) }?.node }

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
  package let areSiblings: Bool
  package let shareLastLevelCache: Bool
  package let shareNode: Bool
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

  package static func read() -> HugePages {
    let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    let setting = SystemFile.text("/sys/kernel/mm/transparent_hugepage/enabled") ?? ""
    let chosen = setting.split(separator: "[").last?.split(separator: "]").first
    return HugePages(
      reserved: SystemFile.number("\(pool)/nr_hugepages") ?? 0,
      free: SystemFile.number("\(pool)/free_hugepages") ?? 0,
      transparent: setting.contains("[") ? chosen.map { String($0) } ?? "never" : "never")
  }
}

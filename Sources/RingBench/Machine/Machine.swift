/// What a result has to say about where it was measured.
struct Machine: Encodable, Sendable {
  let kernel: String
  let cpuModel: String
  let architecture: String
  /// Under one, the topology is what the guest is told, and virtual CPUs move between the host's cores.
  let underHypervisor: Bool
  /// CPUs this process may run on.
  let cpus: [Int]
  /// Of the whole machine; the nodes' own figures leave out memory that was plugged in later on some kernels.
  let memoryBytes: UInt64
  let nodes: [NodeDescription]
  /// Groups of CPUs that are threads of one core.
  let siblings: [[Int]]
  let caches: [CacheDescription]
  let hugePages: HugePages
  let numaLibrary: Bool
  let toolchain: String
  let optimised: Bool
  let ringKit: String
  /// HEAD of the working tree that the executable lies in, where there is one.
  let commit: String?

  func node(of cpu: Int) -> Int? { nodes.first { $0.cpus.contains(cpu) }?.node }

  func pair(_ a: Int, _ b: Int) -> CPUPair {
    let last = caches.map(\.level).max() ?? 0
    return CPUPair(
      areSiblings: siblings.contains { $0.contains(a) && $0.contains(b) },
      shareLastLevelCache: caches.contains { $0.level == last && $0.cpus.contains(a) && $0.cpus.contains(b) },
      shareNode: node(of: a) == node(of: b))
  }
}

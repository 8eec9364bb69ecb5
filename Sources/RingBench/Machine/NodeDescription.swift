/// One NUMA node.
struct NodeDescription: Encodable, Sendable {
  let node: Int
  let cpus: [Int]
  let memoryBytes: UInt64
  let freeBytes: UInt64
  /// To each node of the machine, in the order of their numbers; 10 is local.
  let distances: [Int]
}

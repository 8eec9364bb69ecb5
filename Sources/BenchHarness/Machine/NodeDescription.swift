/// One NUMA node.
package struct NodeDescription: Encodable, Sendable {
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

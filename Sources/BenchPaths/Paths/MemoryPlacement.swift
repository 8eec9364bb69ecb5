import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// Where the pages of one region really are, as the kernel says after they were touched.
package struct MemoryPlacement: Encodable, Equatable, Sendable {
  /// `ring`, `payload`, `private payload` or `bounce pool`.
  package let name: String
  package let bytes: Int
  /// What was granted, which may be less than was asked.
  package let pageSize: String
  /// Bytes on 2 MiB pages.
  package let hugeBytes: Int
  /// Pages of 4 KiB by node.
  package let pagesPerNode: [String: Int]

  package init(_ name: String, _ region: MemoryRegion) throws(MemoryError) {
    self.name = name
    bytes = region.byteCount
    pageSize = region.pageSize.rawValue
    hugeBytes = region.hugeByteCount
    pagesPerNode = Dictionary(
      uniqueKeysWithValues: try region.pagesPerNode().map { (node, count) in ("\(node)", count) })
  }

  /// For people: `ring on node 0 (4k)`.
  package var text: String {
    let nodes = pagesPerNode.keys.sorted()
    return "\(name) on \(nodes.count == 1 ? "node" : "nodes") \(nodes.joined(separator: " and ")) (\(pageSize))"
  }
}

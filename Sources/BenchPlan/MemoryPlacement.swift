import BenchHarness
import RingKit

/// Where the pages of one region really are, as the kernel says after they were touched.
package struct MemoryPlacement: Codable, Equatable, Sendable {
  /// `ring`, `payload`, `private payload` or `bounce pool`.
  package let name: String
  package let bytes: Int
  /// What was granted, which may be less than was asked.
  let pageSize: String
  /// Bytes on 2 MiB pages.
  package let hugeBytes: Int
  /// Pages of 4 KiB by node; `nil` where the kernel does not tell.
  @Null var pagesPerNode: [String: Int]?

  package init(_ name: String, _ region: MemoryRegion) {
    self.name = name
    bytes = region.byteCount
    pageSize = region.pageSize.rawValue
    hugeBytes = region.hugeByteCount
    pagesPerNode = (try? region.pagesPerNode()).map { pages in
      Dictionary(uniqueKeysWithValues: pages.map { (node, count) in ("\(node)", count) })
    }
  }

  /// For people: `ring on node 0 (4k)`.
  package var text: String {
    guard let nodes = pagesPerNode?.keys.sorted() else { return "\(name) on an unknown node (\(pageSize))" }
    return "\(name) on \(nodes.count == 1 ? "node" : "nodes") \(nodes.joined(separator: " and ")) (\(pageSize))"
  }
}

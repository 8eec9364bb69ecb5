/// Where things lie in the memory of a shared domain: layout 1, which both processes know.
///
/// Requests first, in the words and the order of ``InvalidationQueue``: the tail, beside it the latest two, then the slots.
/// From ``arenaOffset`` to the end pages of the page table, of which the first is the root; an entry says how far behind
/// the root a table lies. In a device's own page: how many descriptors of the queue it has taken, and nothing else.
package enum SharedDomainLayout {
  package static let number: UInt64 = 1
  static let tailOffset = InvalidationQueue.tailOffset
  static let latestOffset = InvalidationQueue.latestOffset
  static let slotOffset = 256
  static let arenaOffset = 8192
  package static let completionByteCount = 4096

  /// Bytes for a page table of so many pages.
  static func byteCount(tablePages: Int) -> Int { arenaOffset + tablePages * 4096 }
}

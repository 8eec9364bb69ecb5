/// What a simulated operation is made of; each costs nanoseconds that are measured on one thread, or given.
package enum Primitive: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// What a driver does with a buffer apart from the path: add, publish, reclaim.
  case driver
  /// The copy of a buffer into its slot, and the rest of a bounce that no lock guards.
  case copy
  /// Search for slots, under the area's lock.
  case swiotlbTake = "swiotlb-take"
  /// Release of slots, under the area's lock.
  case swiotlbGive = "swiotlb-give"
  /// An IOVA range out of the CPU's magazines, under their lock.
  case magazineTake = "magazine-take"
  case magazineGive = "magazine-give"
  /// A full magazine into the depot or out of it, under the depot's lock; once in 127 ranges that change CPU.
  case depot
  /// A range beyond 128 KiB, under the tree's lock.
  case treeTake = "tree-take"
  case treeGive = "tree-give"
  /// Page-table entries written and cleared.
  case pageTable = "page-table"
  /// Descriptors posted, under the invalidation queue's lock.
  case post
  /// What the unit needs for one request, one after the other.
  case serve
  /// A cache line from the CPU that wrote it last: half the round trip between two CPUs.
  case lineTransfer = "line-transfer"

  package static let noun = "primitive"
}

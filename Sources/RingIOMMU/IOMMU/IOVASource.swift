public import RingKit

/// Where an IOVA range came from.
@frozen
@usableFromInline
enum IOVASource: UInt8, Sendable {
  /// One of the CPU's two magazines.
  case magazine
  /// A full magazine out of the depot.
  case depot
  /// A search of the tree.
  case tree

  /// The counter it belongs to.
  @inlinable
  var event: WorkEvent {
    switch self {
    case .magazine: .iovaFromMagazine
    case .depot: .iovaFromDepot
    case .tree: .iovaFromTree
    }
  }
}

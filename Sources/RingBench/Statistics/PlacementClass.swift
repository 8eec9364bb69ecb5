/// Where driver and device are, seen from each other.
enum PlacementClass: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Two threads of one core.
  case smt
  /// Two cores behind one last-level cache.
  case sameL3 = "same-l3"
  /// Two cores of one node behind different last-level caches.
  case crossL3 = "cross-l3"
  /// Two nodes.
  case crossNode = "cross-node"

  static let noun = "placement class"
}

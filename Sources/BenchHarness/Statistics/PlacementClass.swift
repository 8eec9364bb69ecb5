/// Where driver and device are, seen from each other.
package enum PlacementClass: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Two threads of one core.
  case smt
  /// Two cores behind one last-level cache.
  case sameL3 = "same-l3"
  /// Two cores of one node behind different last-level caches.
  case crossL3 = "cross-l3"
  /// Two nodes.
  case crossNode = "cross-node"

  package static let noun = "placement class"
}

extension PlacementClass {
  /// The class with most slices; of classes within a tenth of it, `same-l3` where it is among them.
  package static func main(_ kept: [(placement: PlacementClass, slices: Int)]) -> PlacementClass? {
    var sums: [PlacementClass: Int] = [:]
    for (placement, slices) in kept { sums[placement, default: 0] += slices }
    guard let most = sums.values.max() else { return nil }
    if let same = sums[.sameL3], same * 10 >= most * 9 { return .sameL3 }
    return allCases.first { sums[$0] == most }
  }
}

import RingKit

/// What is told apart in the results.
struct CostKey: Hashable, Sendable {
  var ring: RingLayout
  var path: DMAPath
  var direction: DMADirection
  var bytes: Int

  /// For an error message.
  var label: String { "\(ring.rawValue), \(path.name), \(direction.name), \(bytes) bytes" }

  /// The combination it is compared with.
  var baseline: CostKey { CostKey(ring: ring, path: .direct, direction: direction, bytes: bytes) }
}

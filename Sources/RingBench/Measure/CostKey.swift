import RingKit

/// What is told apart in the results.
struct CostKey: Hashable, Sendable {
  var ring: RingLayout
  var path: DMAPath
  var direction: DMADirection
  var bytes: Int
  /// The device is another process, which has mapped the shared pages and nothing else.
  var isolated = false

  /// For an error message.
  var label: String {
    "\(ring.rawValue), \(path.name)\(isolated ? " (isolated)" : ""), \(direction.name), \(bytes) bytes"
  }

  /// The combination it is compared with.
  var baseline: CostKey { CostKey(ring: ring, path: .direct, direction: direction, bytes: bytes) }
}

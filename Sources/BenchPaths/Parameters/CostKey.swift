import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What is told apart in the results.
package struct CostKey: Hashable, Sendable {
  package var ring: RingLayout
  package var path: DMAPath
  package var direction: DMADirection
  package var bytes: Int
  /// The device is another process, which has mapped the shared pages and nothing else.
  package var isolated = false

  package init(ring: RingLayout, path: DMAPath, direction: DMADirection, bytes: Int, isolated: Bool = false) {
    self.ring = ring
    self.path = path
    self.direction = direction
    self.bytes = bytes
    self.isolated = isolated
  }

  /// For an error message.
  package var label: String {
    "\(ring.rawValue), \(path.name)\(isolated ? " (isolated)" : ""), \(direction.name), \(bytes) bytes"
  }

  /// The combination it is compared with.
  package var baseline: CostKey { CostKey(ring: ring, path: .direct, direction: direction, bytes: bytes) }
}

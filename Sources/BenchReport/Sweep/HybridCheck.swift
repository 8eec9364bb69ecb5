import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// Whether `hybrid` keeps up with the better of copying and mapping, size by size.
package struct HybridCheck: Sendable {
  /// What it may cost more than the better one.
  package static let allowance = 1.05

  package var ring: RingLayout
  package var direction: DMADirection
  package var placement: PlacementClass
  package var bytes: Int
  /// The cheaper of the two at this size.
  package var better: DMAPath
  /// Hybrid's time by that path's, slice by slice of the same round.
  package var ratio: Estimate

  package var holds: Bool { ratio.median <= Self.allowance }
}

extension HybridCheck: Encodable {
  private enum Key: String, CodingKey {
    case ring, direction, placement, bytes, better, ratioToBetter, within5Percent
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    try values.encode(direction.name, forKey: .direction)
    try values.encode(placement, forKey: .placement)
    try values.encode(bytes, forKey: .bytes)
    try values.encode(better, forKey: .better)
    try values.encode(ratio.rounded, forKey: .ratioToBetter)
    try values.encode(holds, forKey: .within5Percent)
  }
}

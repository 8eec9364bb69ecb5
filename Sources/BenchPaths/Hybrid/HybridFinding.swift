import BenchHarness
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// Where hybrid's threshold comes from: what `shadow` and `iommu-strict` cost on a ring in one placement class.
package struct HybridFinding: Sendable {
  package var ring: RingLayout
  package var placement: PlacementClass
  /// The median round trip around the slices.
  package var roundTrip: Double
  package var slices: Int
  package var calibration: HybridCalibration
  package var occasion = Occasion.start

  /// When it was made.
  package enum Occasion: String, Encodable, Sendable {
    /// Before anything was measured.
    case start
    /// When the CPUs came to a placement that was not seen before.
    case later
  }

  /// The number of the ring's finding that was made closest to where the CPUs are now; `nil` without any.
  package static func nearest(_ findings: [HybridFinding], _ ring: RingLayout, to roundTrip: Double) -> Int? {
    // By ratio: round trips of two classes lie a multiple apart, and those of one class some per cent.
    let distance = { (number: Int) in abs(log(max(findings[number].roundTrip, 1) / max(roundTrip, 1))) }
    return findings.indices.filter { findings[$0].ring == ring }.min { distance($0) < distance($1) }
  }
}

extension HybridFinding: Encodable {
  private enum Key: String, CodingKey {
    case ring, placement, taken, slices, thresholdBytes, samples
  }

  private struct Sample: Encodable {
    let direction: String
    let bytes: Int
    let shadowNs: Double
    let iommuStrictNs: Double
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    try values.encode(PlacementFigure(placement, roundTrip), forKey: .placement)
    try values.encode(occasion, forKey: .taken)
    try values.encode(slices, forKey: .slices)
    // Only directions that were looked at: 0 would mean that everything is mapped.
    let directions = DMADirection.allCases.filter { direction in
      calibration.samples.contains { $0.direction == direction }
    }
    try values.encode(
      Dictionary(uniqueKeysWithValues: directions.map { ($0.name, calibration.threshold[$0]) }), forKey: .thresholdBytes
    )
    try values.encode(
      calibration.samples.map {
        Sample(
          direction: $0.direction.name, bytes: $0.byteCount, shadowNs: Rounded.value($0.copyNanoseconds),
          iommuStrictNs: Rounded.value($0.mapNanoseconds))
      }, forKey: .samples)
  }
}

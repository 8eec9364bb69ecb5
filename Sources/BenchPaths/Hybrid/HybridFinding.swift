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
  private struct Row: Encodable {
    let ring: RingLayout
    let placement: PlacementFigure
    let taken: Occasion
    let slices: Int
    var thresholdBytes: [String: UInt32] = [:]
    var samples: [Sample] = []
  }

  private struct Sample: Encodable {
    let direction: DMADirection
    let bytes: Int
    let shadowNs: Double
    let iommuStrictNs: Double
  }

  package func encode(to encoder: any Encoder) throws {
    var row = Row(ring: ring, placement: PlacementFigure(placement, roundTrip), taken: occasion, slices: slices)
    for sample in calibration.samples {
      // Only directions that were looked at: 0 would mean that everything is mapped.
      row.thresholdBytes[sample.direction.name] = calibration.threshold[sample.direction]
      row.samples.append(
        Sample(
          direction: sample.direction, bytes: sample.byteCount, shadowNs: Rounded.value(sample.copyNanoseconds),
          iommuStrictNs: Rounded.value(sample.mapNanoseconds)))
    }
    try row.encode(to: encoder)
  }
}

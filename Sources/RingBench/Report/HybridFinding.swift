import Glibc
import RingKit

/// Where hybrid's threshold comes from: what `shadow` and `iommu-strict` cost on a ring in one placement class.
struct HybridFinding: Sendable {
  var ring: RingLayout
  var placement: PlacementClass
  /// The median round trip around the slices.
  var roundTrip: Double
  var slices: Int
  var calibration: HybridCalibration
  /// The finding that was made closest to where the CPUs are now; `nil` without any.
  static func nearest(_ findings: [HybridFinding], to roundTrip: Double) -> HybridFinding? {
    // By ratio: round trips of two classes lie a multiple apart, and those of one class some per cent.
    let distance = { (finding: HybridFinding) in abs(log(max(finding.roundTrip, 1) / max(roundTrip, 1))) }
    return findings.min { distance($0) < distance($1) }
  }

  /// What to say when hybrid ran in other classes than its threshold is for; `nil` when it did not.
  static func warning(_ findings: [HybridFinding], rows: [(ring: RingLayout, placement: PlacementClass)]) -> String? {
    let list = { (classes: [PlacementClass]) in classes.map(\.name).joined(separator: " and ") }
    for ring in RingLayout.allCases {
      let known = PlacementClass.allCases.filter { place in
        findings.contains { $0.ring == ring && $0.placement == place }
      }
      let strange = PlacementClass.allCases.filter { place in
        !known.contains(place) && rows.contains { $0.ring == ring && $0.placement == place }
      }
      guard !known.isEmpty && !strange.isEmpty else { continue }
      return "hybrid's threshold on the \(ring.name) ring was measured in class \(list(known)), but rows were in class "
        + "\(list(strange)) too, where the crossing lies elsewhere: run again, or give it with --hybrid-threshold"
    }
    return nil
  }
}

extension HybridFinding: Encodable {
  private enum Key: String, CodingKey {
    case ring, placement, slices, thresholdBytes, samples
  }

  private enum PlacementKey: String, CodingKey {
    case name = "class"
    case roundTripNs
  }

  private struct Sample: Encodable {
    let direction: String
    let bytes: Int
    let shadowNs: Double
    let iommuStrictNs: Double
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    var place = values.nestedContainer(keyedBy: PlacementKey.self, forKey: .placement)
    try place.encode(placement, forKey: .name)
    try place.encode(Rounded.value(roundTrip), forKey: .roundTripNs)
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

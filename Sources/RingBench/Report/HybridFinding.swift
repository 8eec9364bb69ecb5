import RingKit

/// Where hybrid's threshold comes from: what `shadow` and `iommu-strict` cost on a ring in one placement class.
struct HybridFinding: Sendable {
  var ring: RingLayout
  var placement: PlacementClass
  /// The median round trip around the slices.
  var roundTrip: Double
  var slices: Int
  var calibration: HybridCalibration
  /// Whether hybrid copied below this threshold; the CPUs may have been seen in other classes too.
  var isUsed = false

  /// What to say when hybrid ran in other classes than its threshold is for; `nil` when it did not.
  static func warning(_ findings: [HybridFinding], rows: [(ring: RingLayout, placement: PlacementClass)]) -> String? {
    let used = findings.filter(\.isUsed)
    let strange = PlacementClass.allCases.filter { placement in
      rows.contains { row in
        row.placement == placement && used.contains { $0.ring == row.ring && $0.placement != placement }
      }
    }
    guard !strange.isEmpty else { return nil }
    let known = PlacementClass.allCases.filter { placement in used.contains { $0.placement == placement } }
    let list = { (classes: [PlacementClass]) in classes.map(\.name).joined(separator: " and ") }
    return "hybrid's threshold was measured in class \(list(known)), but rows were in class \(list(strange)) too, "
      + "where the crossing lies elsewhere: run again, or give it with --hybrid-threshold"
  }
}

extension HybridFinding: Encodable {
  private enum Key: String, CodingKey {
    case ring, placement, used, slices, thresholdBytes, samples
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
    try values.encode(isUsed, forKey: .used)
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

import RingKit

/// One result: one path on one ring, for one direction, size and placement class.
struct CostRow: Sendable {
  var ring: RingLayout
  var path: DMAPath
  var direction: DMADirection
  var bytes: Int
  var depth: Int
  var batch: Int
  var placement: PlacementClass
  /// The median round trip around the slices that were kept.
  var roundTrip: Double
  var nanosecondsPerBuffer: Estimate
  /// The path's time by direct's, slice by slice of the same round: 1 is the same, 2 is twice as dear.
  ///
  /// `nil` when no slice of direct was kept in the same round and class.
  var ratioToDirect: Estimate?
  var slicesKept: Int
  var slicesDropped: Int
  /// Work per buffer, by the names of ``RingKit/WorkEvent``, and figures of the path's own such as `poolHighWaterSlots`.
  var counters: [String: Double]
  /// What was paid where a path has more than one price: `process` or `injected` for viommu.
  var price: String?
  /// Whether a price that cannot be measured here was added.
  var injected = false
  /// The device was another process, which had mapped the shared pages and nothing else.
  var isolated = false

  var buffersPerSecond: Estimate { nanosecondsPerBuffer.reciprocal(times: 1e9) }
}

extension CostRow: Encodable {
  private enum Key: String, CodingKey {
    case ring, path, direction, bytes, depth, batch, placement, nsPerBuffer, buffersPerSecond, ratioToDirect
    case slicesKept, slicesDropped, counters, price, injected, isolated
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    try values.encode(path, forKey: .path)
    try values.encode(direction.name, forKey: .direction)
    try values.encode(bytes, forKey: .bytes)
    try values.encode(depth, forKey: .depth)
    try values.encode(batch, forKey: .batch)
    try values.encode(PlacementFigure(placement, roundTrip), forKey: .placement)
    try values.encode(nanosecondsPerBuffer.rounded, forKey: .nsPerBuffer)
    try values.encode(buffersPerSecond.rounded, forKey: .buffersPerSecond)
    try values.encode(ratioToDirect?.rounded, forKey: .ratioToDirect)
    try values.encode(slicesKept, forKey: .slicesKept)
    try values.encode(slicesDropped, forKey: .slicesDropped)
    try values.encode(counters.mapValues { Rounded.value($0, digits: 6) }, forKey: .counters)
    try values.encodeIfPresent(price, forKey: .price)
    try values.encode(injected, forKey: .injected)
    try values.encode(isolated, forKey: .isolated)
  }
}

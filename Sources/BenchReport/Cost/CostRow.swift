import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// One result: one path on one ring, for one direction, size and placement class.
package struct CostRow: Sendable {
  package var ring: RingLayout
  package var path: DMAPath
  package var direction: DMADirection
  package var bytes: Int
  package var depth: Int
  package var batch: Int
  package var placement: PlacementClass
  /// The median round trip around the slices that were kept.
  package var roundTrip: Double
  package var nanosecondsPerBuffer: Estimate
  /// The path's time by direct's, slice by slice of the same round: 1 is the same, 2 is twice as dear.
  ///
  /// `nil` when no slice of direct was kept in the same round and class.
  package var ratioToDirect: Estimate?
  package var slicesKept: Int
  package var slicesDropped: Int
  /// Work per buffer, by the names of ``RingKit/WorkEvent``, and figures of the path's own such as `poolHighWaterSlots`.
  package var counters: [String: Double]
  /// What was paid where a path has more than one price: `process` or `injected` for viommu.
  package var price: String?
  /// Whether a price that cannot be measured here was added.
  package var injected = false
  /// The device was another process, which had mapped the shared pages and nothing else.
  package var isolated = false

  package init(
    ring: RingLayout, path: DMAPath, direction: DMADirection, bytes: Int, depth: Int, batch: Int,
    placement: PlacementClass, roundTrip: Double, nanosecondsPerBuffer: Estimate, ratioToDirect: Estimate? = nil,
    slicesKept: Int, slicesDropped: Int, counters: [String: Double], price: String? = nil, injected: Bool = false,
    isolated: Bool = false
  ) {
    self.ring = ring
    self.path = path
    self.direction = direction
    self.bytes = bytes
    self.depth = depth
    self.batch = batch
    self.placement = placement
    self.roundTrip = roundTrip
    self.nanosecondsPerBuffer = nanosecondsPerBuffer
    self.ratioToDirect = ratioToDirect
    self.slicesKept = slicesKept
    self.slicesDropped = slicesDropped
    self.counters = counters
    self.price = price
    self.injected = injected
    self.isolated = isolated
  }

  package var buffersPerSecond: Estimate { nanosecondsPerBuffer.reciprocal(times: 1e9) }
}

extension CostRow: Encodable {
  private enum Key: String, CodingKey {
    case ring, path, direction, bytes, depth, batch, placement, nsPerBuffer, buffersPerSecond, ratioToDirect
    case slicesKept, slicesDropped, counters, price, injected, isolated
  }

  package func encode(to encoder: any Encoder) throws {
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

import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// One result of the ring sweep: a point in one placement class.
package struct RingRow: Sendable {
  package var point: RingPoint
  package var placement: PlacementClass
  package var roundTrip: Double
  package var nanosecondsPerBuffer: Estimate
  /// Ticks of the cycle counter in a nanosecond.
  package var cyclesPerNanosecond: Double
  package var modes: Modes
  /// `nil` for a point that has no floor: chains, and ends that sleep.
  package var floor: FloorRow?
  /// All floors of the point, the one above among them.
  package var floors: [FloorRow] = []
  package var slicesKept: Int
  package var slicesDropped: Int
  /// Work per buffer, by the names of ``RingKit/WorkEvent``.
  package var counters: [String: Double]
  /// Single round trips, where one buffer is outstanding.
  package var latency: Latency?

  package init(
    point: RingPoint, placement: PlacementClass, roundTrip: Double, nanosecondsPerBuffer: Estimate,
    cyclesPerNanosecond: Double, modes: Modes, floor: FloorRow? = nil, floors: [FloorRow] = [], slicesKept: Int,
    slicesDropped: Int, counters: [String: Double], latency: Latency? = nil
  ) {
    self.point = point
    self.placement = placement
    self.roundTrip = roundTrip
    self.nanosecondsPerBuffer = nanosecondsPerBuffer
    self.cyclesPerNanosecond = cyclesPerNanosecond
    self.modes = modes
    self.floor = floor
    self.floors = floors
    self.slicesKept = slicesKept
    self.slicesDropped = slicesDropped
    self.counters = counters
    self.latency = latency
  }

  package var ratioToFloor: Estimate? { floor?.ratio }

  package var buffersPerSecond: Estimate { nanosecondsPerBuffer.reciprocal(times: 1e9) }

  package var cyclesPerBuffer: Estimate {
    Estimate(
      median: nanosecondsPerBuffer.median * cyclesPerNanosecond, low: nanosecondsPerBuffer.low * cyclesPerNanosecond,
      high: nanosecondsPerBuffer.high * cyclesPerNanosecond)
  }
}

extension RingRow: Encodable {
  private enum Key: String, CodingKey {
    case ring, inOrder, batch, queueSize, outstanding, chain, indirect, eventIdx, notification, placement
    case nsPerBuffer, cyclesPerBuffer, buffersPerSecond, modes, floor, floorNsPerBuffer, floorModes, ratioToFloor
    case floors, slicesKept, slicesDropped, counters, notificationsPerBuffer, roundTripLatencyNs
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(point.ring, forKey: .ring)
    try values.encode(point.inOrder, forKey: .inOrder)
    try values.encode(point.batch, forKey: .batch)
    try values.encode(point.queueSize, forKey: .queueSize)
    try values.encode(point.outstanding, forKey: .outstanding)
    try values.encode(point.chain, forKey: .chain)
    try values.encode(point.indirect, forKey: .indirect)
    try values.encode(point.eventIndex, forKey: .eventIdx)
    try values.encode(point.notification, forKey: .notification)
    try values.encode(PlacementFigure(placement, roundTrip), forKey: .placement)
    try values.encode(nanosecondsPerBuffer.rounded, forKey: .nsPerBuffer)
    try values.encode(cyclesPerBuffer.rounded, forKey: .cyclesPerBuffer)
    try values.encode(buffersPerSecond.rounded, forKey: .buffersPerSecond)
    try values.encode(modes, forKey: .modes)
    // Present with null where there is no floor, so that every row has the same keys.
    try values.encode(floor?.name, forKey: .floor)
    try values.encode(floor?.nanosecondsPerBuffer.rounded, forKey: .floorNsPerBuffer)
    try values.encode(floor?.modes, forKey: .floorModes)
    try values.encode(ratioToFloor?.rounded, forKey: .ratioToFloor)
    try values.encode(floors, forKey: .floors)
    try values.encode(slicesKept, forKey: .slicesKept)
    try values.encode(slicesDropped, forKey: .slicesDropped)
    try values.encode(counters.mapValues { Rounded.value($0, digits: 6) }, forKey: .counters)
    try values.encode(counters[WorkEvent.notifications.rawValue] ?? 0, forKey: .notificationsPerBuffer)
    try values.encode(latency, forKey: .roundTripLatencyNs)
  }
}

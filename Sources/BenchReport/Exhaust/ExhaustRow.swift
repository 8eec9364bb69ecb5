import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What became of the maps of one combination of pool, depth and size.
///
/// That there is a row says that every buffer came back once, in order, with every byte right.
package struct ExhaustRow: Sendable {
  package let what: ExhaustCase
  package let tally: ExhaustTally
  package let poolSlots: Int
  /// As the pool has them.
  package let areas: Int
  package let highWaterSlots: Int
  package let slotsSearched: UInt64
  package let areasSkipped: UInt64
  /// What every map failed with, where no retry helps; the queue went on with smaller buffers then.
  package let error: String?

  package init(
    _ what: ExhaustCase, _ tally: ExhaustTally, poolSlots: Int, areas: Int, highWaterSlots: Int, work: WorkCounts,
    error: String?
  ) {
    self.what = what
    self.tally = tally
    self.poolSlots = poolSlots
    self.areas = areas
    self.highWaterSlots = error == nil ? highWaterSlots : 0
    slotsSearched = error == nil ? work[.slotsSearched] : 0
    areasSkipped = error == nil ? work[.areasSkipped] : 0
    self.error = error
  }

  /// Of all maps tried, 0 to 1.
  package var failedShare: Double { tally.attempts == 0 ? 0 : Double(tally.failures) / Double(tally.attempts) }
  /// Of all buffers, 0 to 1: those that had to wait for slots.
  package var delayedShare: Double {
    let buffers = error == nil ? tally.delivered : tally.attempts
    return buffers == 0 ? 0 : Double(tally.delayedBuffers) / Double(buffers)
  }
  package func perAttempt(_ count: UInt64) -> Double { tally.attempts == 0 ? 0 : Double(count) / Double(tally.attempts) }
}

extension ExhaustRow: Encodable {
  private enum Key: String, CodingKey {
    case mode, ring, direction, poolBytes, poolSlots, areas, depth, bytes, attempts, failures, failedShare, retries
    case delayedShare, mostAttempts, mostOutstanding, highWaterSlots, slotsSearchedPerMap, areasSkippedPerMap
    case delivered, bytesVerified, recovered, error
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(what.mode, forKey: .mode)
    try values.encode(what.ring, forKey: .ring)
    try values.encode(what.direction.name, forKey: .direction)
    try values.encode(what.poolBytes, forKey: .poolBytes)
    try values.encode(poolSlots, forKey: .poolSlots)
    try values.encode(areas, forKey: .areas)
    try values.encode(what.depth, forKey: .depth)
    try values.encode(what.bytes, forKey: .bytes)
    try values.encode(tally.attempts, forKey: .attempts)
    try values.encode(tally.failures, forKey: .failures)
    try values.encode(Rounded.value(failedShare), forKey: .failedShare)
    try values.encode(tally.retries, forKey: .retries)
    try values.encode(Rounded.value(delayedShare), forKey: .delayedShare)
    try values.encode(tally.mostAttempts, forKey: .mostAttempts)
    try values.encode(tally.mostOutstanding, forKey: .mostOutstanding)
    try values.encode(highWaterSlots, forKey: .highWaterSlots)
    try values.encode(Rounded.value(perAttempt(slotsSearched)), forKey: .slotsSearchedPerMap)
    try values.encode(Rounded.value(perAttempt(areasSkipped)), forKey: .areasSkippedPerMap)
    try values.encode(tally.delivered, forKey: .delivered)
    try values.encode(tally.delivered * what.bytes, forKey: .bytesVerified)
    // A run that did not recover has no rows: it ends with exit code 1.
    try values.encode(true, forKey: .recovered)
    try values.encode(error, forKey: .error)
  }
}

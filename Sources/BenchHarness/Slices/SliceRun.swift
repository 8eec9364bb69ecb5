/// What the driver's thread brings back.
package struct SliceRun: Sendable {
  package var records: [SliceRecord] = []
  /// Work per buffer of each contender's counted twin.
  package var counters: [Int: [String: Double]] = [:]
  /// Single round trips, by the number among the timed contenders.
  package var latencies: [Int: Latency] = [:]
  /// Why nothing was measured.
  package var refusal: String?
  package var interrupted = false
  package var failure: (label: String, failure: SliceFailure)?

  package init() {}

  /// Round trips of a cache line, before and after each slice, in nanoseconds.
  package var roundTrips: [Double] { records.flatMap { [$0.conditions.roundTripBefore, $0.conditions.roundTripAfter] } }
}

/// One slice as it was measured.
package struct SliceRecord: Sendable {
  package let contender: Int
  package let round: Int
  package let nanosecondsPerBuffer: Double
  package let conditions: SliceConditions
  /// The number of the setting that the run's tuner gave it.
  package var setting: Int?

  package init(
    contender: Int, round: Int, nanosecondsPerBuffer: Double, conditions: SliceConditions, setting: Int? = nil
  ) {
    self.contender = contender
    self.round = round
    self.nanosecondsPerBuffer = nanosecondsPerBuffer
    self.conditions = conditions
    self.setting = setting
  }
}

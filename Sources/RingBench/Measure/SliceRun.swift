/// What the driver's thread brings back.
struct SliceRun: Sendable {
  var records: [SliceRecord] = []
  /// Work per buffer of each contender's counted twin.
  var counters: [Int: [String: Double]] = [:]
  /// Single round trips, by the number among the timed contenders.
  var latencies: [Int: Latency] = [:]
  /// Where hybrids' thresholds came from.
  var hybrid = HybridOutcome()
  /// Why nothing was measured.
  var refusal: String?
  var interrupted = false
  var failure: (label: String, failure: SliceFailure)?
}

/// What the driver's thread brings back.
struct SliceRun: Sendable {
  var records: [SliceRecord] = []
  /// Work per buffer of each contender's counted twin.
  var counters: [Int: [String: Double]] = [:]
  var interrupted = false
  var failure: (key: CostKey, failure: SliceFailure)?
}

/// One slice as it was measured.
struct SliceRecord: Sendable {
  let contender: Int
  let round: Int
  let nanosecondsPerBuffer: Double
  let conditions: SliceConditions
  /// Where the threshold came from that a hybrid ran with, by its number among the run's findings.
  var finding: Int? = nil
}

/// One slice as it was measured.
struct SliceRecord: Sendable {
  let contender: Int
  let round: Int
  let nanosecondsPerBuffer: Double
  let conditions: SliceConditions
}

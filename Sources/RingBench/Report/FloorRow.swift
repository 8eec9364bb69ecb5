/// The floor a ring was held against.
struct FloorRow: Sendable {
  var name: String
  var nanosecondsPerBuffer: Estimate
  var modes: Modes
}

/// Everything `ringbench explain` tells.
struct ExplainReport: Codable, Equatable, Sendable {
  var schema = 1
  let paths: [PathExplanation]
}

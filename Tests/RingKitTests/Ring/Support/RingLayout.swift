/// Which of the two layouts a test runs on.
enum RingLayout: String, CaseIterable, Sendable {
  case split
  case packed
}

/// Which of the two layouts a ring has.
enum RingLayout: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case split
  case packed

  static let noun = "ring"
}

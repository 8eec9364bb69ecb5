/// What producer and consumer do with a payload.
enum PayloadTouch: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// The producer writes every byte, the consumer reads and checks every byte.
  case full
  /// Nobody looks at it: the cost of the mapping bare.
  case none

  static let noun = "touch"
}

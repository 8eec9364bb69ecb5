import BenchHarness
import RingIOMMU
import RingKit

/// What producer and consumer do with a payload.
package enum PayloadTouch: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// The producer writes every byte, the consumer reads and checks every byte.
  case full
  /// Nobody looks at it: the cost of the mapping bare.
  case none

  package static let noun = "touch"
}

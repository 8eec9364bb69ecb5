import BenchHarness
import RingIOMMU
import RingKit

/// Which of the two layouts a ring has.
package enum RingLayout: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case split
  case packed

  package static let noun = "ring"
}

import BenchHarness
import RingIOMMU
import RingKit

/// How the two ends of an exhausted queue take turns.
package enum ExhaustMode: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// On one thread, the device a batch at a time: the same counts on every machine.
  case interleaved
  /// Each end on a pinned thread of its own: counts depend on who is faster.
  case threads

  package static let noun = "mode"
}

import BenchHarness
import RingIOMMU
import RingKit

/// How the two ends learn of each other's progress.
package enum NotificationMode: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Both look at the ring all the time.
  case polling
  /// Both sleep on an eventfd when there is nothing to do.
  case eventfd

  package static let noun = "notification"
}

import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What is measured with the device in another process.
package struct IsolationParameters: Equatable, Sendable {
  /// Where that is: the guest's own memory is out of the device's reach.
  package let platform = Platform(secure: true)
  /// The paths that are; empty when nothing is.
  package var paths: [DMAPath] = []
  /// Paths that need private memory are among them.
  package var isForced = false
  /// Where a device that was started by hand waits; `nil`: one is started.
  package var socketPath: String?

  package init() {}
}

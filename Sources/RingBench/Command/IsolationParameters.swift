import RingKit

/// What is measured with the device in another process.
struct IsolationParameters: Equatable, Sendable {
  /// Where that is: the guest's own memory is out of the device's reach.
  let platform = Platform(secure: true)
  /// The paths that are; empty when nothing is.
  var paths: [DMAPath] = []
  /// Paths that need private memory are among them.
  var isForced = false
  /// Where a device that was started by hand waits; `nil`: one is started.
  var socketPath: String?
}

/// What is measured with the device in another process.
struct IsolationParameters: Equatable, Sendable {
  /// The paths that are; empty when nothing is.
  var paths: [DMAPath] = []
  /// Paths that need private memory are among them.
  var isForced = false
  /// Where a device that was started by hand waits; `nil`: one is started.
  var socketPath: String?
}

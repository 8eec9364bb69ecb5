import RingKit

/// How a device in another process ended.
enum IsolatedEnd: Equatable, Sendable {
  /// It was led to its last step.
  case done
  /// It said what went wrong.
  case failed(String)
  /// It went without a word; how, where it is a child of this process.
  case gone(ProcessEnd?)

  var text: String? {
    switch self {
    case .done: nil
    case .failed(let text): "the device in another process: \(text)"
    case .gone(let end): "the device's process \(end ?? .unknown)"
    }
  }
}

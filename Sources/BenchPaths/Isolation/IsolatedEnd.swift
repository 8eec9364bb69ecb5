import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// How a device in another process ended.
package enum IsolatedEnd: Equatable, Sendable {
  /// It was led to its last step.
  case done
  /// It said what went wrong.
  case failed(String)
  /// It went without a word; how, where it is a child of this process.
  case gone(ProcessEnd?)

  package var text: String? {
    switch self {
    case .done: nil
    case .failed(let text): "the device in another process: \(text)"
    case .gone(let end): "the device's process \(end ?? .unknown)"
    }
  }
}

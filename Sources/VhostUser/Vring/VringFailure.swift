public import RingKit

/// Why a vring cannot go on; the connection can, and the front-end may stop the vring and start it anew.
public enum VringFailure: Error, Equatable, Sendable {
  /// The driver broke a rule of the ring, or an address leads nowhere.
  case queue(QueueError)
  /// The driver broke a rule of the device.
  case device(String)
}

extension VringFailure: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .queue(let error): error.description
    case .device(let reason): reason
    }
  }
}

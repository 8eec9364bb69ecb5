/// Why a device came back from a queue.
public enum VringProgress: Sendable {
  /// The driver has no more buffers there.
  case empty
  /// There are more, and the limit was reached.
  case more
  /// The device has nothing to do with more of them now.
  case idle
}

import RingKit

extension Errno {
  /// What went wrong with a device in another process; the kernel's part in its own words.
  static func text(_ error: DeviceHandshakeError) -> String {
    if case .system(let errno) = error { return text(errno) }
    return error.description
  }
}

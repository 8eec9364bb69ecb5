import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension Errno {
  /// What went wrong with a device in another process; the kernel's part in its own words.
  package static func text(_ error: DeviceHandshakeError) -> String {
    if case .system(let errno) = error { return text(errno) }
    return error.description
  }
}

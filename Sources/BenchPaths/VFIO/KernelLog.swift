import BenchHarness
import Glibc
import RingIOMMU
import RingKit

/// What the kernel says from now on (/dev/kmsg).
package struct KernelLog: ~Copyable {
  // -1 where it may not be read.
  private let descriptor: Int32

  package init() {
    descriptor = unsafe open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    if descriptor >= 0 { lseek(descriptor, 0, Int32(SEEK_END)) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  package var isReadable: Bool { descriptor >= 0 }

  /// The messages that came since the last call.
  package func messages() -> [String] {
    var messages: [String] = []
    var record = [UInt8](repeating: 0, count: 8192)
    while descriptor >= 0 {
      // SAFETY: the pointer is used only inside the closure, for the bytes it covers.
      let count = unsafe record.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      // EPIPE: messages were overwritten before they were read; the next call goes on behind the gap.
      if count < 0, errno == EINTR || errno == EPIPE { continue }
      guard count > 0 else { break }
      // "priority,number,time,flags;text", then lines of context.
      let text = String(decoding: record[..<count], as: UTF8.self)
      if let semicolon = text.firstIndex(of: ";") {
        messages.append(String(text[text.index(after: semicolon)...].prefix { $0 != "\n" }))
      }
    }
    return messages
  }
}

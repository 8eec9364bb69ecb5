import Glibc

/// A write that goes on where a short one stopped.
package enum FileWrite {
  /// Returns the errno of what stopped it, or 0.
  package static func all(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var rest = bytes[...]
    while !rest.isEmpty {
      // SAFETY: the pointer is used only inside the closure, for the bytes it covers.
      let written = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      if written < 0 {
        if errno == EINTR { continue }
        return errno
      }
      rest = rest.dropFirst(written)
    }
    return 0
  }
}

import Glibc

/// The C library's words for an error number.
package enum Errno {
  package static func text(_ error: Int32) -> String {
    // SAFETY: strerror returns a terminated string that stays valid until this thread's next call of it.
    unsafe strerror(error).map { unsafe String(cString: $0) } ?? "error \(error)"
  }
}

import Glibc

/// Standard output and standard error without a buffer between a line and its reader.
enum StandardStream: Int32 {
  case output = 1
  case error = 2

  var isTerminal: Bool { isatty(rawValue) == 1 }

  /// Writes all of it; returns the errno of what stopped it, or 0.
  @discardableResult
  func write(_ text: String) -> Int32 { FileWrite.all(Array(text.utf8), to: rawValue) }
}

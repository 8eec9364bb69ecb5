import Glibc

/// Standard output and standard error without a buffer between a line and its reader.
package enum StandardStream: Int32 {
  case output = 1
  case error = 2

  package var isTerminal: Bool { isatty(rawValue) == 1 }

  /// Writes all of it; returns the errno of what stopped it, or 0.
  @discardableResult
  package func write(_ text: String) -> Int32 { FileWrite.all(Array(text.utf8), to: rawValue) }
}

import CRing
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

/// One line on standard error that is redrawn in place on a terminal that can; elsewhere only warnings are written.
package final class Progress {
  private let isTerminal: Bool
  private let isQuiet: Bool
  private var isLineOpen = false
  /// What is counted to, and where and when counting began.
  private var first: (total: Int, done: Int, time: UInt64)?
  /// What was said so far with ``warn(_:)``.
  package private(set) var warnings: [String] = []

  /// - Parameter isQuiet: whether nothing is written; what is warned of is kept all the same.
  package init(isQuiet: Bool = false) {
    // SAFETY: a variable of the environment is a terminated string, and nothing here changes it.
    let kind = unsafe getenv("TERM").map { unsafe String(cString: $0) }
    self.isQuiet = isQuiet
    isTerminal = !isQuiet && StandardStream.error.isTerminal && Self.redraws(kind)
  }

  /// Whether a terminal of that kind understands more than lines.
  static func redraws(_ kind: String?) -> Bool { kind != nil && kind != "" && kind != "dumb" }

  /// Whether the line is shown; a thread that would wake up only to redraw it need not.
  var isShown: Bool { isTerminal }

  /// Replaces the line.
  package func update(_ text: String) {
    guard isTerminal else { return }
    StandardStream.error.write("\r\u{1B}[2K\(text)")
    isLineOpen = true
  }

  /// The same with how long the rest will take, by how long it took so far.
  ///
  /// `deadline`, of the monotonic clock, is when it ends at the latest.
  package func update(_ text: String, done: Int, of total: Int, deadline: UInt64? = nil) {
    guard isTerminal else { return }
    let now = cring_nanoseconds()
    // Another count, or the same from its start again.
    if let (count, number, _) = first, count != total && deadline == nil || number > done { first = nil }
    let (_, number, began) = first ?? (total, done, now)
    first = (total, number, began)
    let most = deadline.map { $0 > now ? Double($0 - now) / 1e9 : 0 }
    update(text + Self.left(seconds: Double(now - began) / 1e9, done: done - number, rest: total - done, atMost: most))
  }

  /// Words on the time left: nothing before a guess is worth anything.
  static func left(seconds: Double, done: Int, rest: Int, atMost most: Double?) -> String {
    guard done > 0, rest > 0, seconds >= 1 else { return "" }
    let left = min(seconds / Double(done) * Double(rest), most ?? .infinity)
    guard left < 120 else { return ", \(NumberText.fixed(left / 60, 0)) min left" }
    return ", \(NumberText.fixed(left, 0)) s left"
  }

  /// Something that has to be seen even in a log.
  package func warn(_ text: String) {
    warnings.append(text)
    note(text)
  }

  /// The same of what stands in the result by itself.
  package func note(_ text: String) {
    clear()
    if !isQuiet { StandardStream.error.write("ringbench: \(text)\n") }
  }

  /// Takes the line away, before anything else is printed.
  package func clear() {
    guard isLineOpen else { return }
    StandardStream.error.write("\r\u{1B}[2K")
    isLineOpen = false
  }
}

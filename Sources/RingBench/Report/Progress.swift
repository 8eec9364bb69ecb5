/// One line on standard error that is redrawn in place on a terminal; elsewhere only warnings are written.
final class Progress {
  private let isTerminal: Bool
  private var isLineOpen = false

  init() { isTerminal = StandardStream.error.isTerminal }

  /// Whether anybody sees the line; who would wake up only to redraw it need not.
  var isShown: Bool { isTerminal }

  /// Replaces the line.
  func update(_ text: String) {
    guard isTerminal else { return }
    StandardStream.error.write("\r\u{1B}[2K\(text)")
    isLineOpen = true
  }

  /// Something that has to be seen even in a log.
  func warn(_ text: String) {
    clear()
    StandardStream.error.write("ringbench: \(text)\n")
  }

  /// Takes the line away, before anything else is printed.
  func clear() {
    guard isLineOpen else { return }
    StandardStream.error.write("\r\u{1B}[2K")
    isLineOpen = false
  }
}

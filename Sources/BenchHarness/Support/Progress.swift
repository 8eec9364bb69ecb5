/// One line on standard error that is redrawn in place on a terminal; elsewhere only warnings are written.
package final class Progress {
  private let isTerminal: Bool
  private var isLineOpen = false

  package init() { isTerminal = StandardStream.error.isTerminal }

  /// Whether anybody sees the line; who would wake up only to redraw it need not.
  package var isShown: Bool { isTerminal }

  /// Replaces the line.
  package func update(_ text: String) {
    guard isTerminal else { return }
    StandardStream.error.write("\r\u{1B}[2K\(text)")
    isLineOpen = true
  }

  /// Something that has to be seen even in a log.
  package func warn(_ text: String) {
    clear()
    StandardStream.error.write("ringbench: \(text)\n")
  }

  /// Takes the line away, before anything else is printed.
  package func clear() {
    guard isLineOpen else { return }
    StandardStream.error.write("\r\u{1B}[2K")
    isLineOpen = false
  }
}

import BenchHarness
import BenchPaths

/// Running text, broken into lines.
package enum Paragraph {
  package static let width = 100

  /// Lines of at most ``width`` columns, a longer word alone on its own; the first begins with `first`, the others with
  /// as many blanks.
  package static func text(_ words: String, first: String = "") -> String {
    let indent = String(repeating: " ", count: first.count)
    var lines: [String] = []
    var line = first
    var isEmpty = true
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = indent
        isEmpty = true
      }
      line += isEmpty ? String(word) : " " + word
      isEmpty = false
    }
    if !isEmpty { lines.append(line) }
    return lines.map { $0 + "\n" }.joined()
  }
}

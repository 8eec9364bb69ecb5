import BenchHarness
import BenchPaths

/// Columns of text, as wide as their widest cell.
package struct TextTable {
  package enum Alignment {
    case left
    case right
  }

  private let header: [String]
  private let alignments: [Alignment]
  private var rows: [[String]] = []

  /// A table with a header; cells line up under it as given.
  package init(_ columns: [(title: String, alignment: Alignment)]) {
    header = columns.map(\.title)
    alignments = columns.map(\.alignment)
  }

  /// Adds a row; missing cells stay empty.
  package mutating func add(_ cells: [String]) {
    rows.append(cells + [String](repeating: "", count: max(0, header.count - cells.count)))
  }

  /// The lines, each indented and ended by a newline, without trailing blanks.
  package func render(indent: Int = 2) -> String {
    var widths = header.map(\.count)
    for row in rows {
      for column in widths.indices { widths[column] = max(widths[column], row[column].count) }
    }
    return ([header] + rows).map { line($0, widths, indent) + "\n" }.joined()
  }

  private func line(_ cells: [String], _ widths: [Int], _ indent: Int) -> String {
    var text = String(repeating: " ", count: indent)
    for column in widths.indices {
      let padding = String(repeating: " ", count: widths[column] - cells[column].count)
      text += alignments[column] == .left ? cells[column] + padding : padding + cells[column]
      text += "  "
    }
    while text.last == " " { text.removeLast() }
    return text
  }
}

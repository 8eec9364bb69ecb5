import BenchDocument

/// Text of a page or a picture under construction, well-formed as XML and as HTML.
package struct Markup {
  private(set) var text = ""

  /// Elements that HTML has no end tag for, and those of SVG without content.
  private static let empty: Set<String> = ["meta", "br", "path", "circle", "rect", "line"]

  /// An element with other elements in it.
  package mutating func element(
    _ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ body: (inout Markup) -> Void
  ) {
    tag(name, attributes, end: ">")
    body(&self)
    text += "</\(name)>"
  }

  /// An element with text in it, or nothing.
  package mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ words: String = "")
  {
    guard !Self.empty.contains(name) else { return tag(name, attributes, end: "/>") }
    tag(name, attributes, end: ">")
    text += words.asMarkup
    text += "</\(name)>"
  }

  /// Text between elements.
  mutating func words(_ words: String) { text += words.asMarkup }

  /// Markup that was made elsewhere.
  package mutating func append(_ markup: String) { text += markup }

  package mutating func newline() { text += "\n" }

  private mutating func tag(_ name: String, _ attributes: KeyValuePairs<String, String>, end: String) {
    text += "<\(name)"
    for (key, value) in attributes { text += " \(key)=\"\(value.asMarkup)\"" }
    text += end
  }
}

/// A table of a page; numbers are aligned to the right.
package struct PageTable {
  /// Titles; those of columns aligned to the right begin with `>`.
  let columns: [String]
  package var rows: [[String]] = []
  /// What it shows.
  var caption = ""

  package init(_ columns: [String], caption: String = "") { (self.columns, self.caption) = (columns, caption) }

  package var markup: String {
    guard !rows.isEmpty else { return "" }
    let isRight = columns.map { $0.hasPrefix(">") }
    var page = Markup()
    page.element("div", ["class": "wide"]) { page in
      page.element("table") { page in
        if !caption.isEmpty { page.element("caption", [:], caption) }
        page.element("thead") { page in
          page.element("tr") { page in
            for (column, right) in zip(columns, isRight) {
              let title = right ? String(column.dropFirst()) : column
              page.element("th", right ? ["scope": "col", "class": "n"] : ["scope": "col"], title)
            }
          }
        }
        page.element("tbody") { page in
          for row in rows {
            page.element("tr") { page in
              for (cell, right) in zip(row, isRight) { page.element("td", right ? ["class": "n"] : [:], cell) }
            }
            page.newline()
          }
        }
      }
    }
    return page.text
  }
}

/// A coordinate in a picture: a tenth of a unit is finer than a screen shows.
package func coordinate(_ number: Double) -> String {
  guard number.isFinite else { return "0" }
  let tenths = Int((min(max(number, -1e6), 1e6) * 10).rounded())
  let (whole, rest) = (abs(tenths) / 10, abs(tenths) % 10)
  return (tenths < 0 ? "-" : "") + "\(whole)" + (rest == 0 ? "" : ".\(rest)")
}

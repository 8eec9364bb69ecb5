import BenchPlan
import Glibc

// Numbers as cells of a table.
package func short(_ number: Double?) -> String { number.map { NumberText.short($0) } ?? "-" }
package func fixed(_ number: Double?, _ digits: Int) -> String { number.map { NumberText.fixed($0, digits) } ?? "-" }
package func grouped(_ number: Int) -> String { NumberText.grouped(number) }

/// Each of the numbers once, the smallest first.
package func ascending(_ numbers: [Int]) -> [Int] {
  var sorted: [Int] = []
  for number in numbers where !sorted.contains(number) {
    sorted.insert(number, at: sorted.firstIndex { $0 > number } ?? sorted.count)
  }
  return sorted
}

/// Rows under column titles, each column as wide as its widest cell.
package enum TextTable {
  /// Lines without trailing blanks; nothing without rows.
  ///
  /// `columns` are titles with bars between them; those of columns that are aligned to the right begin with `>`. A
  /// `title` has an empty line above it. What is wider than `width` becomes several tables, each with the first `keys`
  /// columns.
  package static func text(
    _ columns: String, _ rows: [[String]], title: String? = nil, indent: Int = 2, keys: Int = 1,
    width: Int = TextWidth.standard
  ) -> String {
    guard !rows.isEmpty else { return "" }
    var titles: [String] = []
    var areRight: [Bool] = []
    for column in columns.split(separator: "|", omittingEmptySubsequences: false) {
      areRight.append(column.first == ">")
      titles.append(String(column.first == ">" ? column.dropFirst() : column))
    }
    var widths = titles.map(\.count)
    for row in rows {
      for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
    }
    var text = title.map { "\n" + TextWidth.fit($0, width) + "\n" } ?? ""
    for (number, block) in blocks(widths, keys: min(keys, widths.count), width: width - indent).enumerated() {
      if number > 0 { text += "\n" }
      for row in [titles] + rows {
        var line = String(repeating: " ", count: indent)
        for column in block {
          let padding = String(repeating: " ", count: widths[column] - row[column].count)
          line += areRight[column] ? padding + row[column] : row[column] + padding
          line += "  "
        }
        while line.last == " " { line.removeLast() }
        text += line + "\n"
      }
    }
    return text
  }

  /// The columns of each table: as many as fit, behind the keys.
  private static func blocks(_ widths: [Int], keys: Int, width: Int) -> [[Int]] {
    let first = Array(0..<keys)
    let keysWidth = first.reduce(0) { $0 + widths[$1] + 2 }
    var blocks: [[Int]] = []
    var (block, used) = (first, keysWidth)
    for column in keys..<widths.count {
      if block.count > keys, used + widths[column] > width {
        blocks.append(block)
        (block, used) = (first, keysWidth)
      }
      block.append(column)
      used += widths[column] + 2
    }
    return blocks + [block]
  }
}

/// How wide text may be.
package enum TextWidth {
  /// Where there is no terminal.
  package static let standard = 80
  private static let narrowest = 40

  /// Of the terminal that standard output is, or ``standard``.
  package static func ofStandardOutput() -> Int {
    var size = winsize()
    guard unsafe ioctl(StandardStream.output.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return standard
    }
    return max(narrowest, Int(size.ws_col))
  }

  /// The text with every line that is too long broken at blanks; what follows is indented as the line was, and by two.
  package static func fit(_ text: String, _ width: Int) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.count <= width ? String(line) : broken(line, width)
    }.joined(separator: "\n")
  }

  private static func broken(_ line: Substring, _ width: Int) -> String {
    let indent = line.prefix { $0 == " " }
    var (lines, current) = ([String](), String(indent))
    for word in line.dropFirst(indent.count).split(separator: " ", omittingEmptySubsequences: false) {
      let isFirst = current.allSatisfy { $0 == " " }
      if !isFirst, current.count + 1 + word.count > width {
        lines.append(current)
        current = indent + "  " + word
      } else {
        current += isFirst ? String(word) : " " + word
      }
    }
    return (lines + [current]).joined(separator: "\n")
  }
}

/// Running text, broken into lines.
package enum Paragraph {
  /// Lines of at most `width` columns, a longer word alone on its own; the first begins with `first`, the others with
  /// as many blanks.
  package static func text(_ words: String, first: String = "", width: Int = TextWidth.standard) -> String {
    let indent = String(repeating: " ", count: first.count)
    var text = ""
    var line = first
    var isEmpty = true
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if !isEmpty, line.count + 1 + word.count > width {
        text += line + "\n"
        line = indent
        isEmpty = true
      }
      line += isEmpty ? String(word) : " " + word
      isEmpty = false
    }
    return isEmpty ? text : text + line + "\n"
  }
}

/// Lines that several reports have.
package enum Lines {
  package static func machine(_ machine: Machine) -> String {
    "\(machine.cpuModel), Linux \(machine.kernel), \(Version.toolchain)\n"
  }

  /// What a document warns of, a paragraph each.
  static func warnings(_ document: ResultDocument, width: Int) -> String {
    // What is set on the machine is told in full by `ringbench check`.
    let environment = document.warnings.filter { $0.kind == .environment }
    let checks = environment.map { String($0.text.prefix { $0 != ":" }) }.joined(separator: ", ")
    let first = environment.isEmpty ? [] : ["this machine may disturb it: \(checks) ('ringbench check')"]
    return (first + document.warnings.filter { $0.kind != .environment }.map(\.text)).map {
      TextWidth.fit("Note: \($0)", width) + "\n"
    }.joined()
  }

  /// What a reader must know before the figures: empty, or sentences that end in a space.
  package static func caveat(interrupted: Bool, disturbed: Bool = false) -> String {
    (interrupted ? "Interrupted: this is what was measured until then. " : "")
      + (disturbed
        ? "These CPUs were wanted elsewhere all the time, so slices that were disturbed count: take the times with "
          + "care. "
        : "")
  }

  static let interrupted = "interrupted: this is what was measured until then"
  package static let debugBuild = "this is a debug build: its times say nothing (use -c release)"
  /// The same where figures are read by a program.
  static let disturbed = "disturbed slices count, because too few others came: take the times with care"

  /// Why a run has nothing to show, and what to change.
  static func nothing(_ dropped: [DropReason: Int]) -> String {
    let most = dropped.max { $0.value < $1.value }
    let cause =
      switch most.flatMap({ $0.value > 0 ? $0.key : nil }) {
      case .involuntarySwitch: "other programs want these CPUs; stop them, or name other CPUs"
      case .stolenTime: "the hypervisor gives these CPUs to others; try again, or shorter slices (--slice-ms)"
      case .placementChanged, .otherThreshold: "the CPUs moved during every slice; try shorter ones (--slice-ms)"
      case .probeFailed: "the two CPUs did not answer each other; name others"
      case nil: "no slice fit into the time limit; raise --time-limit, or measure less"
      }
    return "nothing was measured: \(cause)"
  }

  /// The other classes that there are rows of.
  static func also(_ placements: [PlacementClass], shown: PlacementClass) -> String {
    let others = PlacementClass.allCases.filter { $0 != shown && placements.contains($0) }
    return others.isEmpty ? "" : " Also measured: \(others.map { "--class \($0.name)" }.joined(separator: ", "))."
  }

  package static func more(_ command: String) -> String { "More: 'ringbench help \(command)', '--format json'.\n" }
}

/// Texts that are data: a table in a string literal.
package enum DataTable {
  /// Its entries: a line each, with the lines below it that begin with a blank.
  package static func entries(_ table: String) -> [String] {
    var entries: [String] = []
    for line in table.split(separator: "\n") {
      if line.first == " ", let last = entries.popLast() {
        entries.append(last + " " + line.drop { $0 == " " })
      } else {
        entries.append(String(line))
      }
    }
    return entries
  }

  /// What stands between the bars of an entry, without blanks around it.
  package static func cells(_ entry: String) -> [String] {
    entry.split(separator: "|").map { cell in
      var cell = cell.drop { $0 == " " }
      while cell.last == " " { cell.removeLast() }
      return String(cell)
    }
  }
}

extension String {
  /// Characters that have a meaning in markup, or may not occur in it, as what they stand for.
  package var asMarkup: String {
    guard utf8.contains(where: { $0 < 0x20 || $0 == 0x26 || $0 == 0x3C || $0 == 0x3E || $0 == 0x22 }) else {
      return self
    }
    var text = ""
    for character in unicodeScalars {
      switch character {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "\n", "\t": text += " "
      case _ where character.value < 0x20: text += "\u{FFFD}"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }
}

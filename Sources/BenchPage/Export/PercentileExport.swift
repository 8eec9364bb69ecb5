import BenchDocument
import BenchHarness

/// Percentiles as HdrHistogram's plotter reads them: a file for each row that has them.
package enum PercentileExport {
  /// Texts and their paths: `path` for one row, with the row's name before the ending for several.
  static func files(_ documents: [ResultDocument], at path: String) -> [(path: String, text: String)] {
    var found: [(name: String, text: String)] = []
    for row in documents.flatMap(\.results) {
      guard let text = row.latency?.buckets?.percentileText, !text.isEmpty else { continue }
      found.append((LatencyCharts.shortName(row), text))
    }
    guard found.count > 1 else { return found.map { (path, $0.text) } }
    let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    let dot = path[slash...].lastIndex(of: ".") ?? path.endIndex
    var names: [String: Int] = [:]
    return found.map { name, text in
      var slug = ""
      for character in name.lowercased() {
        if character.isASCII, character.isLetter || character.isNumber {
          slug.append(character)
        } else if slug.last != "-" {
          slug.append("-")
        }
      }
      names[slug, default: 0] += 1
      if let count = names[slug], count > 1 { slug += "-\(count)" }
      return ("\(path[..<dot])-\(slug)\(path[dot...])", text)
    }
  }

  /// Writes them; `nil` when there were any.
  package static func write(_ documents: [ResultDocument], at path: String) throws(BenchError) -> String? {
    let files = files(documents, at: path)
    for file in files { try OutputFile(checking: file.path).write(file.text) }
    return files.isEmpty ? "no row has a histogram of round trips: nothing was written to \(path)" : nil
  }
}

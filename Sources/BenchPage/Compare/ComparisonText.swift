import BenchDocument
import RingKit

/// A comparison for people: what differs, and how many rows do not.
extension Comparison {
  /// With `isFull` also the rows that do not differ.
  package func text(isFull: Bool = false, width: Int = TextWidth.standard, isColoured: Bool = false) -> String {
    var text = "A: \(sideA.joined(separator: ", "))\nB: \(sideB.joined(separator: ", "))\n"
    let shown = rows.filter { isFull || $0.verdict == .slower || $0.verdict == .faster }
    var groups: [(title: String, rows: [Row])] = []
    for row in shown {
      let title = [row.ring?.name, "class \(row.placement.name)"].compactMap { $0 }.joined(separator: ", ")
      if let last = groups.indices.last, groups[last].title == title {
        groups[last].rows.append(row)
      } else {
        groups.append((title, [row]))
      }
    }
    for (title, rows) in groups { text += table(rows, title, width) }
    if !shown.isEmpty {
      text += "\n" + Paragraph.text(legend, width: width)
    }
    text += "\n" + reasons + summary + "\n"
    text = TextWidth.fit(text, width)
    return isColoured ? Self.coloured(text) : text
  }

  private func table(_ rows: [Row], _ title: String, _ width: Int) -> String {
    let hasSpread = rows.contains { $0.spreadOfA != nil || $0.spreadOfB != nil }
    let cells = rows.map { row in
      [
        row.shortName, row.verdict.rawValue, Ratio.text(row.relativeRatio), Ratio.text(row.timeRatio),
        row.p.map { $0 < 0.001 ? "<0.001" : fixed($0, 3) } ?? "-", short(row.nsOfA), short(row.nsOfB),
      ] + (hasSpread ? [Self.percent(row.spreadOfA), Self.percent(row.spreadOfB)] : [])
    }
    return TextTable.text(
      "row|verdict|>relative (95 %)|>time (95 %)|>p|>A ns|>B ns" + (hasSpread ? "|>runs A|>runs B" : ""), cells,
      title: title, width: width)
  }

  private static func percent(_ share: Double?) -> String { share.map { fixed($0 * 100, 1) + " %" } ?? "-" }

  private var legend: String {
    var text =
      "ns: the median of a side. relative: B's ratio to direct by A's (of rings: to the floor; of direct: to all "
    text +=
      "other rows); time: B's time by A's; above 1 B is slower. p: Mann-Whitney, the larger of both, corrected for "
    text += "\(rows.count) rows (Holm)."
    if rows.contains(where: { $0.spreadOfA != nil || $0.spreadOfB != nil }) {
      text += " runs: how far the medians of a side's runs lie apart."
    }
    return text
  }

  /// Why rows cannot be compared, each reason once.
  private var reasons: String {
    var counts: [(reason: String, count: Int)] = []
    for row in rows(.notComparable) {
      let reason = row.reason ?? ""
      if let index = counts.firstIndex(where: { $0.reason == reason }) {
        counts[index].count += 1
      } else {
        counts.append((reason, 1))
      }
    }
    return counts.map { "Not comparable: \($0.count) \($0.count == 1 ? "row" : "rows"), \($0.reason)\n" }.joined()
  }

  /// Why no row could be compared; `nil` where one could.
  package var whyNothing: String? {
    guard rows.allSatisfy({ $0.verdict == .notComparable }) else { return nil }
    let reasons = Set(rows.compactMap(\.reason))
    guard reasons.count > 1, reasons.isSubset(of: ["only in A", "only in B"]) else {
      return reasons.sorted().joined(separator: ", ")
    }
    func classes(_ reason: String) -> String {
      let own = rows.filter { $0.reason == reason }.map(\.placement)
      return PlacementClass.allCases.filter { own.contains($0) }.map(\.name).joined(separator: " and ")
    }
    return "A has rows of class \(classes("only in A")) alone, B of \(classes("only in B")); measure again"
  }

  /// The verdict in one sentence.
  var summary: String {
    let counts = [Verdict.slower, .faster].map { "\(rows($0).count) \($0.rawValue)" }
    var text = "Of \(rows.count) rows \(counts.joined(separator: ", ")), \(rows(.same).count) the same (~) within "
    text += "\(fixed(appliedThreshold * 100, 1)) %"
    if appliedThreshold > threshold {
      text += " (more than the \(fixed(threshold * 100, 1)) % asked for: these runs differ so much without a cause)"
    }
    return text + "."
  }

  /// Lines that end in a verdict, as a terminal shows them.
  private static func coloured(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      if line.contains("  slower  ") { return "\u{1B}[31m\(line)\u{1B}[0m" }
      if line.contains("  faster  ") { return "\u{1B}[32m\(line)\u{1B}[0m" }
      return String(line)
    }.joined(separator: "\n")
  }
}

extension Comparison.Row {
  /// Without the ring and the class, which stand above.
  fileprivate var shortName: String {
    var parts: [String] = []
    if let path { parts.append(path.name + (isolated == true ? " (isolated)" : "")) }
    if let direction { parts.append(direction == .deviceReadable ? "readable" : "writable") }
    if let bytes { parts.append(grouped(bytes)) }
    for key in ["inOrder", "indirect", "eventIdx"] where labels[key] == "true" { parts.append(key) }
    if ring != nil, path == nil {
      parts.append("queue \(labels["queueSize"] ?? "?")")
      parts += ["batch", "outstanding"].compactMap { key in labels[key].map { "\(key) \($0)" } }
      if labels["chain"] != "1" { parts.append("chain \(labels["chain"] ?? "?")") }
      if let notification = labels["notification"], notification != "polling" { parts.append(notification) }
    }
    return parts.joined(separator: " ")
  }
}

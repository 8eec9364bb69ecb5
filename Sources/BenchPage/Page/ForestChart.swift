import BenchDocument

/// One row of a comparison, as a picture and a table show it.
struct ForestRow {
  let row: ResultRow
  /// Of the second by the first: of what each is by direct, of rings by the floor.
  let ratio: Estimate
  let verdict: Comparison.Verdict
  /// Why there is no verdict.
  let reason: String?

  /// For a picture, which has little room.
  var shortVerdict: String { verdict == .notComparable ? "" : verdict.rawValue }
}

/// Two results: what each row's ratio came to, with its verdict.
enum ForestChart {
  private static let left = 106.0
  private static let right = 92.0

  static func charts(_ rows: [ForestRow], name: String) -> [Chart] {
    let ratios = rows.map(\.ratio)
    guard let low = ratios.map(\.low).min(), let high = ratios.map(\.high).max() else { return [] }
    let scale = Scale(
      logarithmic: true, from: min(low, 0.97), to: max(high, 1.03), between: left, and: Chart.width - right)
    return PanelKey.panels(rows.map(\.row)).map { key, _ in
      chart(key, rows.filter { PanelKey($0.row) == key }, scale, name)
    }
  }

  private static func chart(_ key: PanelKey, _ rows: [ForestRow], _ scale: Scale, _ name: String) -> Chart {
    let step = 16.0
    let top = 28.0
    let bottom = top + Double(rows.count) * step
    var chart = Chart(
      name: "\(name)-compare-\(key.name)", title: "Second by first: \(key.title)",
      summary: rows.map { "\(LadderCharts.name($0.row)) \(fixed($0.ratio.median, 3)), \($0.verdict.rawValue)" }
        .joined(separator: "; ") + ".", height: bottom + 50)
    chart.label(key.title, 4, 14, as: "t")
    chart.horizontalAxis(
      scale, ticks: scale.ticks(4), top: top, bottom: bottom, title: "second by first, less is faster", TickText.number)
    chart.line(scale.at(1), top, scale.at(1), bottom, as: "r")
    for (number, row) in rows.enumerated() {
      let y = top + (Double(number) + 0.5) * step
      let placement = row.row.placement?.class ?? .sameL3
      chart.label(LadderCharts.name(row.row), 4, y + 4)
      chart.whisker(row.ratio, on: scale, y, Look.shape(placement), Look.kind(placement))
      chart.label("\(fixed(row.ratio.median, 3)) \(row.shortVerdict)", Chart.width - 2, y + 3.5, .end, as: "s")
    }
    let classes = PlacementClass.allCases.filter { placement in
      rows.contains { $0.row.placement?.class == placement }
    }
    chart.height = chart.legend(
      classes.map { (Look.shape($0), Look.kind($0), $0.name) }, 4, bottom + 42)
    return chart
  }

  static func table(_ rows: [ForestRow]) -> PageTable {
    var table = PageTable(["row", ">second by first", ">95 %", "verdict"])
    for row in rows {
      table.rows.append([
        row.row.name, fixed(row.ratio.median, 3), "\(fixed(row.ratio.low, 3))–\(fixed(row.ratio.high, 3))",
        row.verdict.rawValue + (row.reason.map { ": \($0)" } ?? ""),
      ])
    }
    return table
  }
}

/// What `compare` says of two results, as a picture and a table show it.
enum PairComparison {
  private static let threshold = 0.03

  /// The rows that both have, or why there are none; nothing unless there are two results.
  static func rows(_ results: [NamedResult]) -> (rows: [ForestRow], incomparable: String?) {
    guard results.count == 2 else { return ([], nil) }
    let sides = results.map { ComparedSide([(name: $0.name, document: $0.document)]) }
    let comparison: Comparison
    do throws(BenchError) {
      comparison = try Comparer(sides[0], sides[1], threshold: threshold).compare()
    } catch {
      return ([], error.message)
    }
    let known = results[1].document.results + results[0].document.results
    var rows: [ForestRow] = []
    for compared in comparison.rows {
      guard let ratio = compared.relativeRatio ?? compared.timeRatio, ratio.low > 0, compared.nsOfA != nil,
        compared.nsOfB != nil, let row = known.first(where: { isSame(compared, $0) })
      else { continue }
      rows.append(ForestRow(row: row, ratio: ratio, verdict: compared.verdict, reason: compared.reason))
    }
    return (rows, nil)
  }

  private static func isSame(_ compared: Comparison.Row, _ row: ResultRow) -> Bool {
    row.nsPerBuffer != nil && row.placement?.class == compared.placement && row.path == compared.path
      && row.ring == compared.ring && row.direction == compared.direction && row.bytes == compared.bytes
      && row.labels == compared.labels && (row.isolated ?? false) == (compared.isolated ?? false)
  }
}

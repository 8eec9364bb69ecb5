import BenchDocument
import RingKit

/// One ring, direction and size: what a panel of the ladder, of the slices and of a comparison is about.
struct PanelKey: Hashable {
  let ring: RingLayout
  let direction: DMADirection
  let bytes: Int

  init?(_ row: ResultRow) {
    guard let ring = row.ring, let direction = row.direction, let bytes = row.bytes else { return nil }
    (self.ring, self.direction, self.bytes) = (ring, direction, bytes)
  }

  var title: String { "\(ring.name), \(direction.name), \(grouped(bytes)) bytes" }
  var name: String { "\(ring.name)-\(direction.name.dropFirst("device-".count))-\(bytes)" }

  /// Rows by panel, in the order they came in.
  static func panels(_ rows: [ResultRow]) -> [(key: PanelKey, rows: [ResultRow])] {
    var panels: [(key: PanelKey, rows: [ResultRow])] = []
    var indices: [PanelKey: Int] = [:]
    for row in rows {
      guard let key = PanelKey(row) else { continue }
      if let index = indices[key] {
        panels[index].rows.append(row)
      } else {
        indices[key] = panels.count
        panels.append((key, [row]))
      }
    }
    return panels
  }
}

/// The ladder: what each path costs by direct, with its interval, classes side by side.
enum LadderCharts {
  private static let left = 106.0
  private static let right = 44.0
  /// Times direct; beyond it an arrow is enough.
  private static let far = 20.0

  /// A panel for each ring, direction and size, all on one scale.
  static func charts(_ rows: [ResultRow], name: String) -> [Chart] {
    let rows = rows.filter { $0.kind == .path && $0.ratioToDirect != nil }
    let intervals = rows.compactMap(\.ratioToDirect)
    guard let low = intervals.map(\.low).min(), var high = intervals.map(\.high).max() else { return [] }
    // Where most are near direct, what is far from it leaves the scale to them.
    if let most = intervals.map(\.high).filter({ $0 < far }).max(), most * 4 < high { high = max(most, 2) * 1.3 }
    let scale = Scale(
      logarithmic: true, from: min(low, 1), to: max(high, 1), between: left, and: Chart.width - right)
    return PanelKey.panels(rows).map { key, rows in chart(key, rows, scale, name) }
  }

  private static func chart(_ key: PanelKey, _ rows: [ResultRow], _ scale: Scale, _ name: String) -> Chart {
    let classes = PlacementClass.allCases.filter { placement in rows.contains { $0.placement?.class == placement } }
    let paths = names(rows)
    let step = max(18, Double(classes.count) * 11 + 5)
    let (top, height) = (28.0, Double(paths.count) * step)
    var chart = Chart(
      name: "\(name)-ladder-\(key.name)", title: "Cost by direct: \(key.title)", summary: summary(rows, classes),
      height: top + height + 50)
    chart.label(key.title, 4, 14, as: "t")
    chart.horizontalAxis(
      scale, ticks: scale.ticks(6), top: top, bottom: top + height, title: "times direct, less is better",
      TickText.number)
    chart.line(scale.at(1), top, scale.at(1), top + height, as: "r")
    for (number, path) in paths.enumerated() {
      let y = top + (Double(number) + 0.5) * step
      chart.label(path, 4, y + 4)
      for (index, placement) in classes.enumerated() {
        guard let row = rows.first(where: { Self.name($0) == path && $0.placement?.class == placement }),
          let ratio = row.ratioToDirect
        else { continue }
        let at = y + (Double(index) - Double(classes.count - 1) / 2) * 11
        chart.whisker(ratio, on: scale, at, Look.shape(placement), Look.kind(placement))
        chart.label(fixed(ratio.median, ratio.median < 9.995 ? 2 : 0), Chart.width - 2, at + 3.5, .end, as: "s")
      }
    }
    chart.height = chart.legend(
      classes.map { (Look.shape($0), Look.kind($0), $0.name) }, 4, top + height + 42)
    return chart
  }

  /// The rows' paths, each once, in the order of the vocabulary.
  static func names(_ rows: [ResultRow]) -> [String] {
    var found: [(path: DMAPath, name: String)] = []
    for row in rows {
      guard let path = row.path, !found.contains(where: { $0.name == name(row) }) else { continue }
      found.append((path, name(row)))
    }
    return DMAPath.allCases.flatMap { path in found.filter { $0.path == path }.map(\.name) }
  }

  static func name(_ row: ResultRow) -> String {
    row.path.map { Answer.name($0, row.price, isolated: row.isolated ?? false) } ?? ""
  }

  private static func summary(_ rows: [ResultRow], _ classes: [PlacementClass]) -> String {
    classes.map { placement in
      let parts = rows.compactMap { row -> String? in
        guard row.placement?.class == placement, let ratio = row.ratioToDirect else { return nil }
        return "\(name(row)) \(fixed(ratio.median, 2))"
      }
      return "Class \(placement.name), times direct: \(parts.joined(separator: ", "))."
    }.joined(separator: " ")
  }

  /// The numbers of all panels.
  static func table(_ rows: [ResultRow]) -> PageTable {
    var table = PageTable(
      ["ring", "direction", ">bytes", "path", "class", ">× direct", ">95 %", ">ns a buffer", ">95 %", ">slices"])
    for row in rows where row.kind == .path {
      guard let time = row.nsPerBuffer else { continue }
      table.rows.append([
        row.ring?.name ?? "", row.direction?.name ?? "", row.bytes.map { grouped($0) } ?? "", name(row),
        row.placement?.class.name ?? "", fixed(row.ratioToDirect?.median, 2), interval(row.ratioToDirect),
        short(time.median), interval(time), row.slicesKept.map { "\($0)" } ?? "",
      ])
    }
    return table
  }

  static func interval(_ estimate: Estimate?) -> String {
    guard let estimate else { return "" }
    let digits = estimate.low < 9.995 ? 2 : 0
    return "\(fixed(estimate.low, digits))–\(fixed(estimate.high, digits))"
  }
}

extension Chart {
  /// A mark at the median, with its interval; an arrow where the median is beyond the scale.
  mutating func whisker(
    _ estimate: Estimate, on scale: Scale, _ y: Double, _ shape: MarkShape, _ kind: String
  ) {
    guard scale.covers(estimate.median) else {
      let end = scale.at(estimate.median)
      let tip = estimate.median > 1 ? 6.0 : -6.0
      body.element(
        "path",
        [
          "d": "M\(coordinate(end - tip)) \(coordinate(y - 4))l\(coordinate(tip)) 4l\(coordinate(-tip)) 4",
          "class": "l" + kind.dropFirst(),
        ])
      return
    }
    let (low, high) = (scale.at(estimate.low), scale.at(estimate.high))
    if high - low > 1 {
      let line = "l" + kind.dropFirst()
      body.element(
        "path",
        [
          "d":
            "M\(coordinate(low)) \(coordinate(y - 3))v6M\(coordinate(low)) \(coordinate(y))H\(coordinate(high))"
            + "M\(coordinate(high)) \(coordinate(y - 3))v6",
          "class": line,
        ])
    }
    mark(shape, scale.at(estimate.median), y, as: kind)
  }
}

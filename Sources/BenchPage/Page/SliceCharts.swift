import BenchDocument

/// Slices as they were measured: a dot each over the rounds, those that do not count hollow.
enum SliceCharts {
  private static let left = 44.0
  private static let top = 40.0
  private static let plotHeight = 190.0

  /// A chart for each ring, direction and size whose rows carry slices; at most so many.
  static func charts(_ rows: [ResultRow], name: String, atMost most: Int) -> [Chart] {
    let rows = rows.filter { $0.kind == .path && $0.slices?.isEmpty == false }
    return PanelKey.panels(rows).prefix(most).compactMap { key, rows in chart(key, rows, name) }
  }

  static func panelCount(_ rows: [ResultRow]) -> Int {
    PanelKey.panels(rows.filter { $0.kind == .path && $0.slices?.isEmpty == false }).count
  }

  private static func chart(_ key: PanelKey, _ rows: [ResultRow], _ name: String) -> Chart? {
    let slices = rows.flatMap { $0.slices ?? [] }
    let times = slices.map(\.nsPerBuffer).filter { $0 > 0 && $0.isFinite }
    guard let low = times.min(), let high = times.max(), let last = slices.map(\.round).max() else { return nil }
    let bottom = top + plotHeight
    let x = Scale(
      logarithmic: false, from: 0, to: Double(max(last, 1)), between: left + 4, and: Chart.width - 12)
    let y = Scale(logarithmic: true, from: low, to: high, between: bottom, and: top)
    let dropped = slices.filter { $0.dropped != nil }.count
    var chart = Chart(
      name: "\(name)-slices-\(key.name)", title: "Slices: \(key.title)",
      summary: "Nanoseconds a buffer in each of \(slices.count) slices, over the rounds of the run;"
        + " \(dropped) do not count and are hollow.",
      height: bottom)
    chart.label(key.title, 4, 14, as: "t")
    chart.verticalAxis(
      y, ticks: y.ticks(6), left: left, right: Chart.width - 12, title: "ns a buffer", TickText.number)
    chart.horizontalAxis(x, ticks: x.ticks(6), top: top, bottom: bottom, title: "round", TickText.number)
    let paths = DMAPath.allCases.filter { path in rows.contains { $0.path == path } }
    for path in paths {
      let own = rows.filter { $0.path == path }.flatMap { $0.slices ?? [] }
      chart.dots(own, x, y, as: Look.kind(path).dropFirst())
    }
    var at = chart.legend(
      paths.map { (Look.shape($0), Look.kind($0), $0.name) }, 4, bottom + 42)
    let reasons = DropReason.allCases.filter { reason in slices.contains { $0.dropped == reason } }
    if !reasons.isEmpty {
      at = chart.legend(
        reasons.map { (shape($0), "h0", "dropped: \($0.words)") }, 4, at + 10)
    }
    chart.height = at + 2
    return chart
  }

  fileprivate static func shape(_ reason: DropReason) -> MarkShape {
    switch reason {
    case .placementChanged: .square
    case .stolenTime: .triangle
    case .involuntarySwitch: .circle
    case .probeFailed: .cross
    case .otherThreshold: .diamond
    }
  }
}

extension Chart {
  /// All slices of one path in few elements: a dot is a line of no length with round ends.
  fileprivate mutating func dots(_ slices: [SliceSample], _ x: Scale, _ y: Scale, as colour: Substring) {
    var kept = ""
    var dropped = ""
    for slice in slices where slice.nsPerBuffer > 0 {
      let (atX, atY) = (x.at(Double(slice.round)), y.at(slice.nsPerBuffer))
      if let reason = slice.dropped {
        dropped += SliceCharts.shape(reason).outline(atX, atY, 2.2)
      } else {
        kept += "M\(coordinate(atX)) \(coordinate(atY))h0"
      }
    }
    if !dropped.isEmpty { body.element("path", ["d": dropped, "class": "h\(colour)"]) }
    if !kept.isEmpty { body.element("path", ["d": kept, "class": "d\(colour)"]) }
  }
}

import BenchDocument
import Glibc

/// Single round trips by percentile, as HdrHistogram's plotter draws them.
enum LatencyCharts {
  private static let left = 44.0
  private static let top = 40.0
  private static let plotHeight = 190.0
  private static let shown = 7

  /// The rows' chart: at most ``shown`` curves, the slowest and the fastest among them.
  static func charts(_ rows: [ResultRow], name: String) -> [Chart] {
    let curves = chosen(rows)
    let values = curves.flatMap { $0.points.map(\.nanoseconds) }
    guard let low = values.min(), let high = values.max(), low > 0 else { return [] }
    let bottom = top + plotHeight
    // Nines: 50 % is at 0.3, 99.9 % at 3.
    let nines = curves.flatMap { $0.points.map(\.nines) }.max() ?? 3
    let x = Scale(logarithmic: false, from: 0, to: max(nines, 3), between: left, and: Chart.width - 12)
    let y = Scale(logarithmic: true, from: low, to: high, between: bottom, and: top)
    let told = curves.map { curve in
      "\(curve.name): "
        + curve.points.map { "\(percent($0.nines)) \(short($0.nanoseconds)) ns" }.suffix(4)
        .joined(separator: ", ")
    }
    var chart = Chart(
      name: "\(name)-latency", title: "Round trips by percentile",
      summary: "Nanoseconds of single round trips by percentile. \(told.joined(separator: "; ")).",
      height: bottom + 44 + Double(curves.count) * 14)
    chart.label("single round trips", 4, 14, as: "t")
    chart.verticalAxis(y, ticks: y.ticks(6), left: left, right: Chart.width - 12, title: "ns", TickText.number)
    chart.horizontalAxis(
      x, ticks: [0, 0.30103] + (1...9).map { Double($0) }.filter(x.covers), top: top, bottom: bottom,
      title: "percentile", percent)
    var at = bottom + 44
    for (number, curve) in curves.enumerated() {
      let (colour, shape) = ((number + 5) % 8, MarkShape.allCases[number % MarkShape.allCases.count])
      chart.path(curve.points.map { (x.at($0.nines), y.at($0.nanoseconds)) }, as: "l\(colour)")
      // A histogram has many points; a mark at each would hide the curve.
      let marked = curve.points.count > 12 ? [] : curve.points
      for point in marked { chart.mark(shape, x.at(point.nines), y.at(point.nanoseconds), size: 2.6, as: "c\(colour)") }
      at = chart.legend([(shape, "c\(colour)", curve.name)], 4, at) + 8
    }
    return [chart]
  }

  private typealias Point = (nines: Double, nanoseconds: Double)

  private static func chosen(_ rows: [ResultRow]) -> [(name: String, points: [Point])] {
    let curves = rows.compactMap { row -> (name: String, median: Double, points: [Point])? in
      guard let latency = row.latency else { return nil }
      return (shortName(row), latency.p50, points(latency))
    }.sorted { $0.median < $1.median }
    guard curves.count > shown else { return curves.map { ($0.name, $0.points) } }
    return (0..<shown).map { number in
      let curve = curves[number * (curves.count - 1) / (shown - 1)]
      return (curve.name, curve.points)
    }
  }

  private static func points(_ latency: Latency) -> [Point] {
    if let buckets = latency.buckets, buckets.total > 0 {
      let shares = buckets.shares().filter { $0 < 1 }
      return zip(shares, buckets.values(at: shares)).map { (-log10(1 - $0), $1) }.filter { $0.nanoseconds > 0 }
    }
    var points: [Point] = [(log10(2), latency.p50), (1, latency.p90), (2, latency.p99), (3, latency.p999)]
    // Of so many the greatest stands for the share of one.
    if latency.count > 1_000 { points.append((log10(Double(latency.count)), latency.max)) }
    return points.filter { $0.nanoseconds > 0 }
  }

  static func percent(_ nines: Double) -> String {
    let digits = max(0, Int(nines.rounded(.up)) - 2)
    return nines == 0 ? "0" : "p" + fixed((1 - pow(10, -nines)) * 100, digits)
  }

  /// Without what all rings have.
  static func shortName(_ row: ResultRow, withClass: Bool = true) -> String {
    var parts = [row.ring?.name ?? "", row.path.map { _ in LadderCharts.name(row) } ?? ""].filter { !$0.isEmpty }
    for (label, words) in [("inOrder", "in order"), ("indirect", "indirect"), ("eventIdx", "event index")]
    where row.labels[label] == "true" { parts.append(words) }
    if let notification = row.labels["notification"], notification != "polling" { parts.append(notification) }
    if let chain = row.labels["chain"], chain != "1" { parts.append("chain \(chain)") }
    if let batch = row.batch { parts.append("batch \(batch)") }
    if let depth = row.depth { parts.append("\(depth) out") }
    if withClass, let placement = row.placement { parts.append(placement.class.name) }
    return parts.joined(separator: ", ")
  }

  static func table(_ rows: [ResultRow]) -> PageTable {
    var table = PageTable(["", ">round trips", ">p50, ns", ">p90", ">p99", ">p99.9", ">max"])
    for row in rows {
      guard let latency = row.latency else { continue }
      table.rows.append(
        [shortName(row), grouped(latency.count)]
          + [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map { short($0) })
    }
    return table
  }
}

/// Rings alone: what a buffer costs at each point, beside the floor.
enum RingCharts {
  private static let left = 8.0

  static func charts(_ rows: [ResultRow], name: String) -> [Chart] {
    let rings = rows.filter { $0.kind == .ring && $0.nsPerBuffer != nil }
    guard !rings.isEmpty else { return [] }
    let times = rings.compactMap(\.nsPerBuffer)
    guard let low = times.map(\.low).min(), let high = times.map(\.high).max() else { return [] }
    let floors = rings.map { floor(of: $0) }
    let scale = Scale(
      logarithmic: true, from: min(low, floors.compactMap { $0 }.min() ?? low), to: high, between: left,
      and: Chart.width - 48)
    let (top, step) = (22.0, 30.0)
    let bottom = top + Double(rings.count) * step
    var chart = Chart(
      name: "\(name)-ring", title: "Rings alone: nanoseconds a buffer",
      summary: rings.map { "\(LatencyCharts.shortName($0)): \(short($0.nsPerBuffer?.median)) ns" }
        .joined(separator: "; ") + ".", height: bottom + 48)
    chart.horizontalAxis(scale, ticks: scale.ticks(6), top: top, bottom: bottom, title: "ns a buffer", TickText.number)
    for (number, row) in rings.enumerated() {
      guard let time = row.nsPerBuffer else { continue }
      let y = top + Double(number) * step
      chart.label(LatencyCharts.shortName(row, withClass: false), 4, y + 11, as: "s")
      let placement = row.placement?.class ?? .sameL3
      if let floor = floors[number] { chart.mark(.cross, scale.at(floor), y + 20, size: 3, as: "c0") }
      chart.whisker(time, on: scale, y + 20, Look.shape(placement), Look.kind(placement))
      chart.label(short(time.median), Chart.width - 2, y + 23, .end, as: "s")
    }
    let classes = PlacementClass.allCases.filter { placement in rings.contains { $0.placement?.class == placement } }
    chart.height = chart.legend(
      classes.map { (Look.shape($0), Look.kind($0), $0.name) } + [(.cross, "c0", "floor")], 4, bottom + 42)
    return [chart]
  }

  private static func floor(of row: ResultRow) -> Double? {
    guard let time = row.nsPerBuffer?.median, let ratio = row.ratioToFloor?.median, ratio > 0 else { return nil }
    return time / ratio
  }

  static func table(_ rows: [ResultRow]) -> PageTable {
    var table = PageTable([
      "point", ">queue", "class", ">ns a buffer", ">95 %", ">× floor", ">95 %", ">slices",
    ])
    for row in rows where row.kind == .ring {
      guard let time = row.nsPerBuffer else { continue }
      table.rows.append([
        LatencyCharts.shortName(row), row.labels["queueSize"] ?? "", row.placement?.class.name ?? "",
        short(time.median), LadderCharts.interval(time), fixed(row.ratioToFloor?.median, 2),
        LadderCharts.interval(row.ratioToFloor), row.slicesKept.map { "\($0)" } ?? "",
      ])
    }
    return table
  }
}

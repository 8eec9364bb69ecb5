import BenchDocument
import RingKit

/// Where paths meet: time over bytes, both logarithmic, with intervals, measured crossovers and predicted ones.
enum CrossoverCharts {
  private struct Key: Hashable {
    let ring: RingLayout
    let direction: DMADirection
    let placement: PlacementClass
  }

  private static let left = 44.0
  private static let top = 46.0
  private static let plotHeight = 210.0

  /// A chart for each ring, direction and class of a sweep.
  static func charts(_ document: ResultDocument, name: String) -> [Chart] {
    var keys: [Key] = []
    var rows: [Key: [ResultRow]] = [:]
    for row in document.results where row.kind == .path {
      guard let ring = row.ring, let direction = row.direction, let placement = row.placement?.class,
        row.nsPerBuffer != nil, row.bytes != nil
      else { continue }
      let key = Key(ring: ring, direction: direction, placement: placement)
      if rows[key] == nil { keys.append(key) }
      rows[key, default: []].append(row)
    }
    return keys.compactMap { key in
      let pairs = predicted(document).filter {
        $0.ring == key.ring && $0.direction == key.direction && $0.placement == key.placement
      }
      return chart(key, rows[key] ?? [], pairs, name)
    }
  }

  /// Two paths of which one copies and the other maps: those have a prediction.
  private static func predicted(_ document: ResultDocument) -> [Crossover] {
    (document.crossovers ?? []).filter { $0.predictedBytes != nil || $0.predicted != nil }
  }

  /// Letters that a chart and its table name the pairs by.
  private static func letter(_ number: Int) -> String {
    String(UnicodeScalar(UInt8(ascii: "A") + UInt8(number % 26)))
  }

  private static func chart(_ key: Key, _ rows: [ResultRow], _ pairs: [Crossover], _ name: String) -> Chart? {
    let sizes = ascending(rows.compactMap(\.bytes))
    let times = rows.compactMap(\.nsPerBuffer)
    guard sizes.count > 2, let low = times.map(\.low).min(), let high = times.map(\.high).max() else { return nil }
    let bottom = top + plotHeight
    let x = Scale(
      logarithmic: true, from: Double(sizes[0]), to: Double(sizes[sizes.count - 1]), between: left,
      and: Chart.width - 12)
    let y = Scale(logarithmic: true, from: low, to: high, between: bottom, and: top)
    let title = "\(key.ring.name), \(key.direction.name), class \(key.placement.name)"
    let meetings = pairs.enumerated().flatMap { number, pair in pair.meetings.map { (number, pair, $0) } }
    let told = meetings.map { number, pair, meeting in
      "\(letter(number)): \(pair.paths.map(\.name).joined(separator: " and ")) meet at"
        + " \(grouped(Int(meeting.bytes.median))) bytes"
    }
    var chart = Chart(
      name: "\(name)-crossover-\(key.ring.name)-\(key.direction.name.dropFirst(7))-\(key.placement.name)",
      title: "Time over bytes: \(title)",
      summary: "Nanoseconds a buffer over bytes of it, both logarithmic. \(told.joined(separator: "; ")).",
      height: bottom + 84)
    chart.label(title, 4, 14, as: "t")
    chart.verticalAxis(
      y, ticks: y.ticks(6), left: left, right: Chart.width - 12, title: "ns a buffer", TickText.number)
    chart.horizontalAxis(
      x, ticks: x.byteTicks(8), top: top, bottom: bottom, title: "bytes of a buffer", TickText.bytes)
    // Of several at one point the letters stand side by side.
    var taken: [Double] = []
    for (number, pair, meeting) in meetings {
      let at = x.at(meeting.bytes.median)
      chart.rectangle(x.at(meeting.bytes.low), top, x.at(meeting.bytes.high), bottom, as: "b0")
      let near = taken.filter { abs($0 - at) < 11 }.count
      taken.append(at)
      chart.label(letter(number), at, top - 3 - Double(near) * 10, .middle, as: "s")
      if let bytes = pair.predictedBytes, x.covers(bytes) {
        chart.line(x.at(bytes), top, x.at(bytes), bottom, as: "p0")
        chart.label(letter(number) + "′", x.at(bytes) - 2, bottom - 4 - Double(near) * 10, .end, as: "s")
      }
    }
    let paths = DMAPath.allCases.filter { path in rows.contains { $0.path == path } }
    for path in paths { chart.curve(path, rows.filter { $0.path == path }, x, y) }
    let end = chart.legend(
      paths.map { (Look.shape($0), Look.kind($0), $0.name) }, 4, bottom + 44)
    var line = end + 10
    for (number, pair, meeting) in meetings.prefix(4) {
      let predicted = pair.predictedBytes.map { ", predicted \(grouped(Int($0)))" } ?? ""
      chart.label(
        "\(letter(number)): \(meeting.cheaperBelow.name) below, \(meeting.cheaperAbove.name) above"
          + " \(grouped(Int(meeting.bytes.median))) bytes\(predicted)", 4, line, as: "s")
      line += 13
    }
    chart.label("shaded: measured; dashed, with ′: predicted", 4, line, as: "s")
    chart.height = line + 6
    return chart
  }

  /// Every two paths that meet, or have a prediction.
  static func table(_ document: ResultDocument) -> PageTable {
    var table = PageTable([
      "", "ring", "direction", "class", "paths", "cheaper below", ">crossover, bytes", ">95 %", "predicted, bytes",
    ])
    var letters: [Key: Int] = [:]
    for pair in document.crossovers ?? [] {
      let key = Key(ring: pair.ring, direction: pair.direction, placement: pair.placement)
      let isLettered = pair.predictedBytes != nil || pair.predicted != nil
      let number = letters[key, default: 0]
      if isLettered { letters[key] = number + 1 }
      guard isLettered || !pair.meetings.isEmpty else { continue }
      let prediction = pair.predicted?.joined(separator: "; ") ?? pair.predictedBytes.map { grouped(Int($0)) } ?? ""
      let start = [
        isLettered ? letter(number) : "", pair.ring.name, pair.direction.name, pair.placement.name,
        pair.paths.map(\.name).joined(separator: ", "),
      ]
      if pair.meetings.isEmpty {
        table.rows.append(start + [pair.cheaperThroughout?.name ?? "the same", "none", "", prediction])
      }
      for meeting in pair.meetings {
        table.rows.append(
          start + [
            meeting.cheaperBelow.name, grouped(Int(meeting.bytes.median)),
            "\(grouped(Int(meeting.bytes.low)))–\(grouped(Int(meeting.bytes.high)))", prediction,
          ])
      }
    }
    return table
  }
}

extension Chart {
  /// A path's times over sizes: its interval as a band, its medians as a line with marks.
  fileprivate mutating func curve(_ path: DMAPath, _ rows: [ResultRow], _ x: Scale, _ y: Scale) {
    let rows = rows.sorted { ($0.bytes ?? 0) < ($1.bytes ?? 0) }
    var points: [(x: Double, time: Estimate)] = []
    for row in rows {
      guard let bytes = row.bytes, let time = row.nsPerBuffer else { continue }
      points.append((x.at(Double(bytes)), time))
    }
    let number = Look.kind(path).dropFirst()
    band(points.map { ($0.x, y.at($0.time.high)) }, points.map { ($0.x, y.at($0.time.low)) }, as: "b\(number)")
    self.path(points.map { ($0.x, y.at($0.time.median)) }, as: "l\(number)")
    for point in points { mark(Look.shape(path), point.x, y.at(point.time.median), size: 2.6, as: Look.kind(path)) }
  }
}

import BenchDocument

/// What each section of the page has of the results.
enum PageBlocks {
  /// A block for each result that has something, with its name where there are several.
  static func each(_ results: [NamedResult], _ block: (NamedResult) -> PageBlock) -> [PageBlock] {
    results.map { result in
      var made = block(result)
      if results.count > 1 { made.heading = result.name }
      return made
    }.filter { !$0.isEmpty }
  }

  static func paragraph(_ words: String, as kind: String = "") -> String {
    var page = Markup()
    page.element("p", kind.isEmpty ? [:] : ["class": kind], words)
    return page.text
  }

  static func ladder(_ results: [NamedResult], _ detail: PageDetail) -> [PageBlock] {
    each(results.filter { $0.document.crossovers == nil }) { result in
      let rows = result.document.results
      var block = PageBlock(charts: LadderCharts.charts(rows, name: result.name))
      guard !block.charts.isEmpty else { return PageBlock() }
      block.start = paragraph(
        "A mark is the median of the time by direct's of the same round, a line its 95 % interval; an arrow is beyond"
          + " the scale, which is logarithmic and the same in all panels.", as: "note")
      if detail == .fewPanels { block.charts = Array(block.charts.prefix(2)) }
      if detail.hasTables { block.folded = [("Numbers", LadderCharts.table(rows).markup)] }
      return block
    }
  }

  static func crossovers(_ results: [NamedResult], _ detail: PageDetail) -> [PageBlock] {
    each(results) { result in
      guard result.document.crossovers != nil else { return PageBlock() }
      var block = PageBlock(charts: CrossoverCharts.charts(result.document, name: result.name))
      guard !block.charts.isEmpty else { return PageBlock() }
      block.start = paragraph(
        "Letters name two paths of which one copies and the other maps; the table tells which.", as: "note")
      block.folded = [("Crossovers", CrossoverCharts.table(result.document).markup)]
      if detail.hasTables { block.folded.append(("Numbers", LadderCharts.table(result.document.results).markup)) }
      return block
    }
  }

  static func rings(_ results: [NamedResult]) -> [PageBlock] {
    each(results) { result in
      let rows = result.document.results
      return PageBlock(
        charts: RingCharts.charts(rows, name: result.name), folded: [("Numbers", RingCharts.table(rows).markup)])
    }
  }

  /// As many panels as the page has room for: each dot is a measurement.
  static func slices(_ results: [NamedResult], _ detail: PageDetail) -> [PageBlock] {
    each(results) { result in
      let rows = result.document.results
      let all = SliceCharts.panelCount(rows)
      var block = PageBlock(charts: SliceCharts.charts(rows, name: result.name, atMost: detail.slicePanels))
      if all > block.charts.count {
        block.start = paragraph(
          "\(block.charts.count) of \(all) panels; the file has the others.", as: "note")
      }
      return block
    }
  }

  static func latency(_ results: [NamedResult]) -> [PageBlock] {
    each(results) { result in
      let rows = result.document.results
      return PageBlock(
        charts: LatencyCharts.charts(rows, name: result.name), folded: [("Numbers", LatencyCharts.table(rows).markup)])
    }
  }

  /// Paths and conditions whose buffers take the same work stand in one line.
  static func work(_ results: [NamedResult]) -> [PageBlock] {
    each(results) { result in
      var lines: [(path: String, text: String, rows: [ResultRow])] = []
      for row in result.document.results where row.kind == .path {
        guard let counters = row.counters else { continue }
        let (path, text) = (LadderCharts.name(row), CounterText.text(counters))
        if let index = lines.firstIndex(where: { $0.path == path && $0.text == text }) {
          lines[index].rows.append(row)
        } else {
          lines.append((path, text, [row]))
        }
      }
      var table = PageTable(["path", "work per buffer", "on"])
      for line in lines {
        table.rows.append([line.path, line.text.isEmpty ? "none" : line.text, conditions(line.rows)])
      }
      // Of a sweep each size has other counts.
      return lines.count > 40
        ? PageBlock(folded: [("Counters of \(lines.count) combinations", table.markup)])
        : PageBlock(start: table.markup)
    }
  }

  private static func conditions(_ rows: [ResultRow]) -> String {
    func distinct(_ values: [String]) -> String {
      values.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.joined(separator: ", ")
    }
    return [
      distinct(rows.compactMap { $0.ring?.name }),
      distinct(rows.compactMap { $0.direction.map { String($0.name.dropFirst("device-".count)) } }),
      ascending(rows.compactMap(\.bytes)).map { grouped($0) }.joined(separator: ", ") + " bytes",
    ].joined(separator: "; ")
  }

  static func placement(_ results: [NamedResult]) -> [PageBlock] {
    each(results) { result in
      let document = result.document
      var classes = PageTable(["class", ">round trip, ns", ">rows", ">slices kept"])
      for placement in document.measuredClasses {
        let rows = document.results.filter { $0.placement?.class == placement }
        classes.rows.append([
          placement.name, short(Percentile.median(rows.compactMap { $0.placement?.roundTripNs })), "\(rows.count)",
          grouped(rows.compactMap(\.slicesKept).reduce(0, +)),
        ])
      }
      var caches = PageTable(["cache", ">size", "CPUs"])
      for cache in document.machine.caches {
        caches.rows.append(["L\(cache.level) \(cache.type)", NumberText.bytes(cache.bytes), CPUList.text(cache.cpus)])
      }
      var nodes = PageTable(["node", "CPUs", ">memory, GiB", "distances"])
      for node in document.machine.nodes {
        nodes.rows.append([
          "\(node.node)", CPUList.text(node.cpus), fixed(Double(node.memoryBytes) / Double(1 << 30), 1),
          node.distances.map { "\($0)" }.joined(separator: " "),
        ])
      }
      var start = classes.markup
      if let dropped = document.slicesDroppedBy { start += paragraph(DropReason.sentence(dropped), as: "note") }
      if let memory = document.memory, !memory.isEmpty {
        start += paragraph(memory.map(\.text).joined(separator: ", "), as: "note")
      }
      return PageBlock(
        start: start, charts: TopologyChart.chart(document, name: result.name).map { [$0] } ?? [],
        folded: [("Nodes and caches", nodes.markup + caches.markup)])
    }
  }

  static func parameters(_ results: [NamedResult]) -> [PageBlock] {
    each(results) { result in
      var table = PageTable(["parameter", "value"])
      for key in result.document.parameters.keys.sorted() {
        table.rows.append([key, result.document.parameters[key]?.text ?? ""])
      }
      return PageBlock(folded: [("\(table.rows.count) parameters", table.markup)])
    }
  }

  /// Rows of kinds that have no picture of their own, with their figures.
  static func other(_ results: [NamedResult]) -> [PageBlock] {
    each(results) { result in
      var folded: [(String, String)] = []
      for kind in ResultRow.Kind.allCases where ![.path, .ring, .floor].contains(kind) {
        let rows = result.document.results.filter { $0.kind == kind }
        guard !rows.isEmpty else { continue }
        var table = PageTable(["row", "figures"])
        for row in rows { table.rows.append([row.name, figures(row)]) }
        folded.append(("\(title(kind)) (\(rows.count))", table.markup))
      }
      return PageBlock(start: verdicts(result.document), folded: folded)
    }
  }

  private static func title(_ kind: ResultRow.Kind) -> String {
    switch kind {
    case .path: "Paths"
    case .refused: "Sizes that a path does not take"
    case .primitive: "Mapping and copying without a ring"
    case .hybridCheck: "Hybrid by the better of copying and mapping"
    case .hybridCalibration: "Where hybrid's threshold comes from"
    case .ring: "Rings"
    case .floor: "Floors"
    case .shape: "Figures of published shapes"
    case .device: "Devices"
    case .guest: "Guests"
    case .scale: "Points of what grows"
    case .growth: "Growth along each axis"
    case .exhaust: "A pool that runs full"
    case .prediction: "Predictions"
    case .check: "Predictions beside real threads"
    case .roundTrip: "Round trips of a cache line"
    case .peer: "RingKit and its peers"
    }
  }

  /// How published shapes came out.
  private static func verdicts(_ document: ResultDocument) -> String {
    var table = PageTable(["", "shape", "verdict", "why"])
    for shape in document.details?["shapes"]?.array ?? [] {
      table.rows.append(["shape", "title", "verdict", "why"].map { shape[$0]?.text ?? "" })
    }
    return table.markup
  }

  static func figures(_ row: ResultRow) -> String {
    var parts: [String] = []
    if let time = row.nsPerBuffer { parts.append("\(short(time.median)) ns (\(LadderCharts.interval(time)))") }
    if let ratio = row.ratioToDirect { parts.append("\(fixed(ratio.median, 2)) × direct") }
    for figure in row.figures ?? [] {
      let unit = figure.unit == "1" ? "" : " \(figure.unit)"
      parts.append("\(figure.name): \(short(figure.value))\(unit)")
    }
    if let note = row.note { parts.append(note) }
    return parts.joined(separator: "; ")
  }
}

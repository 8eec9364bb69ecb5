import BenchPlan

/// The rings beside their floors, for people.
extension ResultDocument {
  func ringText(_ view: TextView) -> String {
    guard let placement = view.shownClass ?? mainClass else { return nothingText(view) }
    let rows = results.filter { $0.placement?.class == placement }
    let rings = rows.filter { $0.kind == .ring }
    let text = headText + placementText(rows, placement) + "Payload not touched\n" + same(rings)
    return text + endText(placement, view) + tables(rings, rows.filter { $0.kind == .floor }, view)
  }

  /// What is the same for every ring, and so has no column.
  private func same(_ rings: [ResultRow]) -> String {
    let parts = RingColumn.allCases.compactMap { column in
      column.isConstant(rings) ? rings.first.map { "\(column.rawValue) \(column.text($0))" } : nil
    }
    return parts.isEmpty ? "" : "Every ring: \(parts.joined(separator: ", "))\n"
  }

  private func tables(_ rings: [ResultRow], _ floors: [ResultRow], _ view: TextView) -> String {
    let shown = RingColumn.allCases.filter { !$0.isConstant(rings) }
    let points = { (row: ResultRow) in [row.ring?.name ?? ""] + shown.map { $0.text(row) } }
    let keys = "ring" + shown.map { "|\($0 == .order ? "" : ">")\($0.rawValue)" }.joined()
    let main = rings.map { row in
      points(row) + [
        short(row.nsPerBuffer?.median), short(row.figure("cyclesPerBuffer")?.value),
        short(row.buffersPerSecond.map { $0.median / 1e6 }), short(row.figure("floorNs")?.value),
        Ratio.text(row.ratioToFloor), "\(row.slicesKept ?? 0)", modes(row),
      ]
    }
    var text = TextTable.text(
      keys + "|>ns|>cycles|>M/s|>floor ns|>× floor (95 %)|>slices|gathers at", main, keys: shown.count + 1,
      width: view.width)
    text += Paragraph.text(
      "ns, cycles: from one completed buffer to the next. M/s: million buffers a second. floor: the same cache lines "
        + "moved by "
        + "a program without a ring. × floor: the ring's time by the floor's in the same round. out: buffers "
        + "outstanding.",
      width: view.width)
    let others = floors.filter { floor in
      !rings.contains { $0.note == floor.labels["floor"] && points($0) == points(floor) }
    }
    if view.isFull {
      text += TextTable.text(
        "floor|" + keys + "|>floor ns|>× floor",
        others.map {
          [$0.labels["floor"] ?? ""] + points($0) + [short($0.nsPerBuffer?.median), fixed($0.ratioToFloor?.median, 2)]
        },
        title: "Further floors", keys: shown.count + 2, width: view.width)
    }
    let latencies = rings.compactMap { row in
      row.latency.map { latency in
        points(row) + [
          short(latency.p50), short(latency.p90), short(latency.p99), short(latency.p999), short(latency.max),
          grouped(latency.count),
        ]
      }
    }
    return "\n" + text
      + TextTable.text(
        keys + "|>p50 ns|>p90|>p99|>p99.9|>max|>trips", latencies,
        title: "One buffer outstanding: round trips timed one by one, in whatever placement they fell",
        keys: shown.count + 1,
        width: view.width)
  }

  private func modes(_ row: ResultRow) -> String {
    guard let modes = row.modes, modes.isBimodal else { return "" }
    return modes.modes.map { "\(short($0.nsPerBuffer)) (\(fixed($0.share * 100, 0)) %)" }.joined(separator: ", ")
  }
}

/// What tells the points of a `ring` run apart; what is the same for all has no column.
private enum RingColumn: String, CaseIterable {
  case order
  case batch
  case queue
  case out
  case chain
  case notify

  func text(_ row: ResultRow) -> String {
    switch self {
    case .order: row.labels["inOrder"] == "true" ? "in-order" : "any"
    case .batch: "\(row.batch ?? 0)"
    case .queue: row.labels["queueSize"] ?? ""
    case .out: "\(row.depth ?? 0)"
    case .chain: (row.labels["chain"] ?? "") + (row.labels["indirect"] == "true" ? " indirect" : "")
    case .notify: (row.labels["notification"] ?? "") + (row.labels["eventIdx"] == "true" ? ", event idx" : "")
    }
  }

  func isConstant(_ rows: [ResultRow]) -> Bool { Set(rows.map(text)).count < 2 }
}

import BenchPlan
import RingKit

/// What each path costs, for people: the answer last, and above it, where asked for, a table per ring, direction and
/// size.
extension ResultDocument {
  func costText(_ view: TextView) -> String {
    guard let placement = view.shownClass ?? mainClass else { return nothingText(view) }
    let rows = rows(in: placement)
    var text = headText + placementText(rows, placement) + settingsText
    if view.isFull { text += costTables(rows, view) }
    text += endText(placement, view)
    text += "\n" + TextWidth.fit(Answer.sentence(self, in: placement), view.width) + "\n\n"
    text += Answer.table(self, in: placement, width: view.width)
    return text
  }

  /// What stands instead of tables where no slice was kept.
  func nothingText(_ view: TextView) -> String {
    let dropped = slicesDroppedBy.map(DropReason.sentence) ?? ""
    return "\(Lines.warnings(self, width: view.width))\(Answer.nothing) \(dropped)\n"
  }

  /// The queue, the memory, and what is done with the payload.
  private var settingsText: String {
    var text = ""
    if let queues = parameters["queues"]?.integer, queues > 1 {
      let threads = parameters["queueThreads"]?.string == "own" ? "a pair of threads each" : "one pair of threads"
      text += "\(queues) queues on \(threads), figures over all of them; each:\n"
    }
    let touch = parameters["touch"]?.string == "none" ? "not touched" : "written and checked in full"
    text += "Queue \(number("queueSize")), \(number("depth")) outstanding, batch \(number("batch")); payload \(touch)\n"
    let nodes = (memory ?? []).map(\.text).joined(separator: ", ")
    if !nodes.isEmpty { text += nodes.prefix(1).uppercased() + nodes.dropFirst() + "\n" }
    if let parameters = try? JSONValue.object(parameters).decoded(CostParameters.self) {
      text += parameters.iommu.text(parameters.measuredPaths)
    }
    return text
  }

  func number(_ name: String) -> String { parameters[name]?.integer.map(grouped) ?? "?" }

  private func costTables(_ rows: [ResultRow], _ view: TextView) -> String {
    var text = ""
    for ring in RingLayout.allCases {
      for direction in DMADirection.allCases {
        for bytes in ascending(rows.compactMap(\.bytes)) {
          text += costTable(
            rows.filter { $0.ring == ring && $0.direction == direction && $0.bytes == bytes },
            title: "\(ring.name), \(direction.name), \(grouped(bytes)) bytes", view)
        }
      }
    }
    guard !text.isEmpty else { return "" }
    text +=
      "\n"
      + Paragraph.text(
        "ns: from one completed buffer to the next. × direct: that time by direct's in the same round, and its 95 % "
          + "interval. "
          + "M/s: million buffers a second. GB/s: payload, 10^9 bytes a second. slices: those that count. "
          + "\(CounterText.legend).",
        width: view.width)
    if rows.contains(where: { disagrees($0, rows) }) {
      text += Paragraph.text(
        "* The two medians of ns give another ratio: they are over all slices, and these CPUs changed their speed "
          + "between "
          + "rounds; × direct compares slices of one round alone.", width: view.width)
    }
    return text
  }

  private func costTable(_ rows: [ResultRow], title: String, _ view: TextView) -> String {
    let ordered = DMAPath.allCases.flatMap { path in rows.filter { $0.path == path } }
    let isTouched = parameters["touch"]?.string != "none"
    let cells = ordered.map { row in
      let rate = row.buffersPerSecond?.median
      return [
        row.pathName, short(row.nsPerBuffer?.median),
        row.path == .direct && row.isolated != true
          ? "1" : Ratio.text(row.ratioToDirect) + (disagrees(row, rows) ? " *" : ""),
        short(rate.map { $0 / 1e6 }),
        // Bytes that were not touched did not move.
        isTouched ? short(rate.map { $0 * Double(row.bytes ?? 0) / 1e9 }) : "-", "\(row.slicesKept ?? 0)",
      ]
    }
    let injected = rows.contains { $0.injected == true } ? ", with an injected price" : ""
    let table = TextTable.text(
      "path|>ns|>× direct (95 %)|>M/s|>GB/s|>slices", cells, title: title + injected, width: view.width)
    let work = ordered.compactMap { row -> String? in
      let text = CounterText.text(row.counters ?? [:])
      return text.isEmpty ? nil : Paragraph.text(text, first: "    \(row.pathName): ", width: view.width)
    }
    return table + (work.isEmpty ? "" : "  work per buffer\n" + work.joined())
  }

  /// Whether the ratio of the rounds is another than that of the medians beside it, by more than both are uncertain.
  private func disagrees(_ row: ResultRow, _ rows: [ResultRow]) -> Bool {
    guard let ratio = row.ratioToDirect, let time = row.nsPerBuffer?.median,
      let direct = rows.first(where: {
        $0.path == .direct && $0.isolated != true && $0.ring == row.ring && $0.direction == row.direction
          && $0.bytes == row.bytes
      })?.nsPerBuffer?.median, direct > 0
    else { return false }
    let medians = time / direct
    return (medians < ratio.low || medians > ratio.high) && abs(medians / ratio.median - 1) > 0.03
  }
}

extension ResultRow {
  var pathName: String { path.map { Answer.name($0, price, isolated: isolated ?? false) } ?? "" }
}

import BenchPlan
import RingKit

/// The sweep for people: the crossovers last, and above them, where asked for, times by size and what predicts them.
extension ResultDocument {
  func sweepText(_ view: TextView) -> String {
    guard let placement = view.shownClass ?? mainClass else { return nothingText(view) }
    let rows = rows(in: placement)
    var text = headText + placementText(rows, placement)
    text += "Queue \(number("queueSize")), \(number("depth")) outstanding, batch \(number("batch"))\n"
    for ring in RingLayout.allCases {
      for direction in DMADirection.allCases {
        text += sweepTable(rows.filter { $0.ring == ring && $0.direction == direction }, ring, direction, view)
      }
    }
    text +=
      "\n"
      + Paragraph.text(
        "ns: from one completed buffer to the next. × direct: that time by direct's in the same round.",
        width: view.width)
    text += refusalsText
    if view.isFull { text += primitivesText(placement, view) }
    text += endText(placement, view) + hybridText(placement)
    for ring in RingLayout.allCases {
      for direction in DMADirection.allCases { text += crossoversText(ring, direction, placement, view) }
    }
    return text
  }

  private func sweepTable(
    _ rows: [ResultRow], _ ring: RingLayout, _ direction: DMADirection, _ view: TextView
  ) -> String {
    guard !rows.isEmpty else { return "" }
    let paths = DMAPath.allCases.filter { path in rows.contains { $0.path == path } }
    let refused = results.filter { $0.kind == .refused && $0.ring == ring && $0.direction == direction }
    let sizes = ascending((rows + refused).compactMap(\.bytes))
    func cells(_ text: (ResultRow) -> String) -> [[String]] {
      sizes.map { bytes in
        [grouped(bytes)]
          + paths.map { path in
            if let row = rows.first(where: { $0.path == path && $0.bytes == bytes }) { return text(row) }
            return refused.contains { $0.path == path && $0.bytes == bytes } ? "refused" : "-"
          }
      }
    }
    let titles =
      ">bytes"
      + paths.map { path in
        "|>\(path.name)\(rows.contains { $0.path == path && $0.injected == true } ? " (injected)" : "")"
      }.joined()
    let heading = "\(ring.name), \(direction.name)"
    let ratios = TextTable.text(
      titles, cells { $0.path == .direct ? "1" : $0.ratioToDirect.map { Ratio.digits($0.median) } ?? "-" },
      title: "\(heading): × direct", width: view.width)
    guard view.isFull else { return ratios }
    let times = TextTable.text(
      titles, cells { short($0.nsPerBuffer?.median) }, title: "\(heading): ns per buffer", width: view.width)
    // Bytes that were not touched did not move.
    guard parameters["touch"]?.string != "none" else { return times + ratios }
    let rates = TextTable.text(
      titles, cells { row in short(row.nsPerBuffer.map { Double(row.bytes ?? 0) / $0.median }) },
      title: "\(heading): GB/s", width: view.width)
    return times + rates + ratios
  }

  private var refusalsText: String {
    var lines: [String] = []
    for row in results where row.kind == .refused {
      let line = "  \(row.pathName), \(grouped(row.bytes ?? 0)) bytes: \(row.note ?? "")\n"
      if !lines.contains(line) { lines.append(line) }
    }
    return lines.isEmpty ? "" : "\nRefused\n" + lines.joined()
  }

  private func crossoversText(
    _ ring: RingLayout, _ direction: DMADirection, _ placement: PlacementClass, _ view: TextView
  ) -> String {
    var lines: [[String]] = []
    for pair in crossovers ?? []
    where pair.ring == ring && pair.direction == direction && pair.placement == placement {
      let predicted = pair.predicted ?? ["", ""]
      let names = pair.paths.map(\.name)
      if pair.meetings.isEmpty {
        // The same at every size that tells says nothing of which is cheaper where.
        let (below, above) =
          pair.cheaperThroughout.map { cheaper in
            (cheaper.name, names.first { $0 != cheaper.name } ?? "")
          } ?? (names[0], names[1])
        lines.append([below, above, pair.cheaperThroughout == nil ? "the same" : "always", ""] + predicted)
      }
      for meeting in pair.meetings {
        let bytes = [meeting.bytes.median, meeting.bytes.low, meeting.bytes.high].map { grouped(Int($0.rounded())) }
        lines.append(
          [meeting.cheaperBelow.name, meeting.cheaperAbove.name, bytes[0], "\(bytes[1])-\(bytes[2])"] + predicted)
      }
    }
    return TextTable.text(
      "cheaper below|cheaper above|>S* bytes|95 %|>predicted|>with search", lines,
      title: "\(ring.name), \(direction.name): the size S* at which one path overtakes another", width: view.width)
  }

  /// What the predictions stand on.
  private func primitivesText(_ placement: PlacementClass, _ view: TextView) -> String {
    let rows = results.filter { $0.kind == .primitive && $0.placement?.class == placement }
    var names: [String] = []
    for name in rows.compactMap({ $0.labels["primitive"] }) where !names.contains(name) { names.append(name) }
    let sizes = ascending(rows.compactMap(\.bytes))
    let cells = names.map { name in
      [name]
        + sizes.map { bytes in
          rows.first { $0.labels["primitive"] == name && $0.bytes == bytes }.map { short($0.nsPerBuffer?.median) } ?? ""
        }
    }
    let table = TextTable.text(
      "ns without a ring" + sizes.map { "|>" + grouped($0) }.joined(), cells, title: "Measured in the same run",
      width: view.width)
    return table.isEmpty
      ? ""
      : table
        + Paragraph.text(
          "S* predicted = bandwidth x (t_map + t_unmap) / k, k copies a buffer; with search: less what finding a "
            + "slot takes.",
          width: view.width)
  }

  private func hybridText(_ placement: PlacementClass) -> String {
    let checks = results.filter { $0.kind == .hybridCheck && $0.placement?.class == placement }
    func ratio(_ row: ResultRow) -> Double { row.figure("ratioToBetter")?.value ?? 0 }
    guard let worst = checks.max(by: { ratio($0) < ratio($1) }) else { return "" }
    return "\nhybrid is \(ratio(worst) <= 1.05 ? "" : "not ")within 5 % of the better path at every size: at most "
      + "\(fixed((ratio(worst) - 1) * 100, 1)) % more expensive (\(worst.direction?.name ?? ""), "
      + "\(grouped(worst.bytes ?? 0)) bytes, against \(worst.labels["better"] ?? ""))\n"
  }
}

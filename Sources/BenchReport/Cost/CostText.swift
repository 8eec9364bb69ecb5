import BenchHarness
import BenchPaths
import RingKit

/// The table for people, one block per ring, direction and size.
extension CostReport {
  /// Shows `shownClass`, or the class with most slices when that is `nil`.
  package func text(shownClass: PlacementClass?) -> String {
    let parameters = parameters
    let caveat = Lines.caveat(interrupted: interrupted, disturbed: disturbed)
    let dropped = DropReason.sentence(slicesDroppedBy)
    guard let placement = shownClass ?? mainClass else { return "\(caveat)\(AnswerSentence.nothing) \(dropped)\n" }
    let rows = results.filter { $0.placement.class == placement }
    var text = Lines.machine(machine)
    text += Lines.place(
      driver: parameters.driverCPU, device: parameters.deviceCPU,
      rows.isEmpty ? [PlacementFigure(placement, nil)] : rows.map(\.placement))
    let memory = memory.map(\.text).joined(separator: ", ")
    text += "\n" + queues + Lines.load(parameters) + memory.prefix(1).uppercased() + memory.dropFirst() + "\n"
    text += parameters.iommu.text(parameters.measuredPaths)
    for ring in parameters.rings {
      for direction in parameters.directions {
        for bytes in parameters.sizes {
          text += table(
            rows.filter { $0.ring == ring && $0.direction == direction && $0.bytes == bytes },
            title: "\(ring.name), \(direction.name), \(grouped(bytes)) bytes")
        }
      }
    }
    text += "\n\(caveat)\(AnswerSentence.text(for: self, in: placement))\n\(dropped)"
    return text + Lines.also(results.map(\.placement.class), shown: placement) + " " + Lines.more("cost")
  }

  private var queues: String {
    let parameters = parameters
    guard parameters.queues > 1 else { return "" }
    let threads = parameters.queueThreads == .pair ? "one pair of threads" : "a pair of threads each"
    return "\(parameters.queues) queues on \(threads), figures over all of them; each:\n"
  }

  private func table(_ rows: [CostRow], title: String) -> String {
    var cells: [[String]] = []
    for path in DMAPath.allCases {
      for row in rows where row.path == path { cells.append(self.cells(row)) }
    }
    let injected =
      rows.contains(where: \.injected)
      ? ", viommu with \(grouped(parameters.iommu.viommuNanoseconds)) ns injected at each exit" : ""
    return TextTable.text(
      "path|>ns/buffer|>M/s|>GB/s|>% of direct|95 %|>slices|work per buffer", cells, title: title + injected)
  }

  private func cells(_ row: CostRow) -> [String] {
    let rate = row.buffersPerSecond.median
    let share = row.ratioToDirect?.reciprocal(times: 100)
    let isBaseline = row.path == .direct && !row.isolated
    return [
      AnswerSentence.name(row.path, row.price, isolated: row.isolated), short(row.nsPerBuffer.median),
      short(rate / 1e6),
      // Bytes that were not touched did not move.
      parameters.touch == .full ? short(rate * Double(row.bytes) / 1e9) : "-",
      fixed(share?.median, isBaseline ? 0 : 1),
      isBaseline ? "" : share.map { "\(fixed($0.low, 1))-\(fixed($0.high, 1))" } ?? "", "\(row.slicesKept)",
      CounterText.text(row.counters),
    ]
  }
}

/// The finding in one sentence, computed from the rows alone.
enum AnswerSentence {
  static let nothing = "Nothing was measured: no slice was kept."

  static func name(_ path: DMAPath, _ price: String?, isolated: Bool) -> String {
    path.name + (price.map { " (\($0))" } ?? "") + (isolated ? " (isolated)" : "")
  }

  static func text(for report: CostReport, in placement: PlacementClass) -> String {
    let rows = report.results.filter { $0.placement.class == placement }
    guard !rows.isEmpty else { return "No slice was kept in class \(placement.name)." }
    // What was not compared with direct is told as it is, and compared with the others below.
    let compared = comparisons(rows, report, with: .direct, \.ratioToDirect)
    let text = "On \(scope(rows, placement)): \(joined(compared.isEmpty ? times(rows, report) : compared))."
    let forced = rows.filter { $0.path == .iommuStrict || $0.path == .iommuLazy || $0.path == .viommu }
    let bounced = comparisons(forced, report, with: .swiotlb, \.ratioToSwiotlb)
    return bounced.isEmpty ? text : "\(text) The IOMMU against bouncing: \(joined(bounced))."
  }

  /// Each path's rows against those of another path; nothing of what was not paired with it.
  private static func comparisons(
    _ rows: [CostRow], _ report: CostReport, with base: DMAPath, _ ratio: KeyPath<CostRow, Estimate?>
  ) -> [String] {
    groups(rows, report) { name, path, rows in
      let ratios = rows.compactMap { $0[keyPath: ratio]?.median }
      guard path != base, let low = ratios.min(), let high = ratios.max() else { return nil }
      return part(name, low, high, base.name)
    }
  }

  private static func times(_ rows: [CostRow], _ report: CostReport) -> [String] {
    groups(rows, report) { name, _, rows in
      let times = rows.map(\.nsPerBuffer.median)
      guard let low = times.min(), let high = times.max() else { return nil }
      return "\(name) costs \(range(short(low), short(high))) ns a buffer"
    }
  }

  /// What is said of each path and kind of device.
  private static func groups(
    _ rows: [CostRow], _ report: CostReport, _ text: (_ name: String, DMAPath, [CostRow]) -> String?
  ) -> [String] {
    DMAPath.allCases.flatMap { path in
      [false, true].compactMap { isolated in
        text(
          name(path, report.parameters.iommu.price(of: path), isolated: isolated), path,
          rows.filter { $0.path == path && $0.isolated == isolated })
      }
    }
  }

  // A handful of percent says more than a factor of 1.0; a saving is said as one.
  private static func part(_ name: String, _ low: Double, _ high: Double, _ base: String) -> String {
    guard low > 0.95, high < 1.05 else { return "\(name) costs \(range(fixed(low, 1), fixed(high, 1))) times \(base)" }
    let most = max(abs(low - 1), abs(high - 1))
    return "\(name) is within \(max(1, Int((most * 100 - 0.01).rounded(.up)))) % of \(base)"
  }

  private static func range(_ low: String, _ high: String) -> String { low == high ? low : "\(low) to \(high)" }

  private static func scope(_ rows: [CostRow], _ placement: PlacementClass) -> String {
    let rings = RingLayout.allCases.filter { ring in rows.contains { $0.ring == ring } }.map(\.name)
    let sizes = ascending(rows.map(\.bytes)).map { grouped($0) }
    let directions = DMADirection.allCases.filter { way in rows.contains { $0.direction == way } }
    let kind = directions.count == 1 ? "\(directions[0].name) " : ""
    return
      "the \(joined(rings)) \(rings.count == 1 ? "ring" : "rings"), \(joined(sizes))-byte \(kind)buffers, class \(placement.name)"
  }

  private static func joined(_ parts: [String]) -> String {
    guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
    return parts.dropLast().joined(separator: ", ") + " and " + last
  }
}

/// Work per buffer in short words.
enum CounterText {
  // In the order of the work; what is not here is in the JSON.
  private static let labels: [(event: WorkEvent, label: String)] = [
    (.maps, "map"), (.unmaps, "unmap"), (.mergedMaps, "merged"), (.pageTableWrites, "PTE"), (.invalidations, "inval"),
    (.exits, "exit"), (.systemCalls, "syscall"), (.iotlbMisses, "miss"), (.missMessages, "asked"),
    (.slotsSearched, "slot"), (.bytesCopiedIn, "B in"), (.bytesCopiedOut, "B out"), (.bounced, "bounced"),
    (.notifications, "notify"),
  ]

  /// Kinds that did not occur are left out.
  static func text(_ counters: [String: Double]) -> String {
    labels.compactMap { event, label in
      guard let value = counters[event.rawValue], value >= 0.0005 else { return nil }
      let digits = value == value.rounded() ? 0 : value < 0.1 ? 3 : value < 100 ? 2 : 0
      return "\(fixed(value, digits)) \(label)"
    }.joined(separator: ", ")
  }
}

import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// The sweep for people: for each ring and direction times, throughput and share of direct by size, then the crossovers.
package struct SweepText {
  private let report: SweepReport
  private let placement: PlacementClass?

  /// `shownClass` is the class to show, or `nil` for the one with most slices.
  package init(_ report: SweepReport, shownClass: PlacementClass?) {
    self.report = report
    placement = shownClass ?? report.mainClass
  }

  package func render() -> String {
    let caveat = Caveat.text(interrupted: report.interrupted, disturbed: report.disturbed)
    let dropped = DropReason.sentence(report.slicesDroppedBy)
    guard let placement else { return "\(caveat)\(AnswerSentence.nothing) \(dropped)\n" }
    let parameters = report.parameters
    let trip = Percentile.median(measured(placement).map(\.roundTrip)).map { ", round trip \(NumberText.short($0)) ns" }
    var text = """
      \(report.machine.cpuModel), Linux \(report.machine.kernel), \(report.machine.toolchain)
      Driver on CPU \(parameters.driverCPU), device on CPU \(parameters.deviceCPU): class \(placement.name)\(trip ?? "")
      Queue \(parameters.queueSize), \(parameters.depth) outstanding, batch \(parameters.batch); payload \
      \(parameters.touch == .full ? "written and checked in full" : "not touched")
      \(parameters.iommu.text(parameters.measuredPaths))
      """
    for ring in parameters.rings {
      for direction in parameters.directions {
        text += tables(ring, direction, placement)
        text += crossovers(ring, direction, placement)
      }
    }
    text += refusals() + primitives(placement) + hybrid(placement)
    let others = PlacementClass.allCases.filter { $0 != placement && !measured($0).isEmpty }
    let also = others.isEmpty ? "" : " Also measured: \(others.map { "--class \($0.name)" }.joined(separator: ", "))."
    return text + "\n\(caveat)\(dropped)\(also) More: 'ringbench help sweep', '--format json'.\n"
  }

  private func measured(_ placement: PlacementClass) -> [CostRow] {
    report.rows.compactMap(\.measured).filter { $0.placement == placement }
  }

  // MARK: Sizes

  private func tables(_ ring: RingLayout, _ direction: DMADirection, _ placement: PlacementClass) -> String {
    let rows = measured(placement).filter { $0.ring == ring && $0.direction == direction }
    guard !rows.isEmpty else { return "" }
    var text = "\n\(ring.name), \(direction.name): ns per buffer\n"
    text += table(rows, ring, direction) { NumberText.short($0.nanosecondsPerBuffer.median) }
    // Bytes that nobody touched did not move.
    if report.parameters.touch == .full {
      text += "GB/s\n" + table(rows, ring, direction) { NumberText.short($0.bytesPerSecond.median / 1e9) }
    }
    return text + "% of direct's throughput\n"
      + table(rows, ring, direction) { row in
        row.ratioToDirect.map { NumberText.fixed(100 / $0.median, row.path == .direct ? 0 : 1) } ?? "-"
      }
  }

  private func table(
    _ rows: [CostRow], _ ring: RingLayout, _ direction: DMADirection, _ cell: (CostRow) -> String
  ) -> String {
    let paths = report.parameters.measuredPaths
    var table = TextTable(
      [("bytes", .right)]
        + paths.map { ($0.name + (report.parameters.iommu.isInjected($0) ? " (injected)" : ""), .right) })
    for bytes in report.parameters.sizes.sorted() {
      table.add(
        [NumberText.grouped(bytes)]
          + paths.map { path in
            if let row = rows.first(where: { $0.path == path && $0.bytes == bytes }) { return cell(row) }
            let key = CostKey(ring: ring, path: path, direction: direction, bytes: bytes)
            return report.rows.contains { $0.key == key && $0.refusal != nil } ? "refused" : "-"
          })
    }
    return table.render()
  }

  private func refusals() -> String {
    var lines: [String] = []
    for row in report.rows {
      guard let reason = row.refusal else { continue }
      let line = "  \(row.key.path.name), \(NumberText.grouped(row.key.bytes)) bytes: \(reason)\n"
      if !lines.contains(line) { lines.append(line) }
    }
    return lines.isEmpty ? "" : "\nRefused\n" + lines.joined()
  }

  // MARK: Crossovers

  private func crossovers(_ ring: RingLayout, _ direction: DMADirection, _ placement: PlacementClass) -> String {
    let pairs = report.pairs.filter {
      $0.ring == ring && $0.direction == direction && $0.placement == placement
    }
    guard !pairs.isEmpty else { return "" }
    var table = TextTable([
      ("crossover", .left), ("S* measured", .right), ("95 %", .left), ("S* predicted", .right),
      ("with search", .right), ("", .left),
    ])
    for pair in pairs { for cells in lines(pair) { table.add(cells) } }
    return table.render()
  }

  private func lines(_ pair: PathPair) -> [[String]] {
    let name = "\(pair.first.name) and \(pair.second.name)"
    let predicted = pair.prediction.map { [text($0.formula), text($0.withOverhead)] } ?? ["", ""]
    guard !pair.finding.crossovers.isEmpty else { return [[name, "none", ""] + predicted + [pair.outcome]] }
    return pair.finding.crossovers.map { crossover in
      let sides = pair.sides(crossover)
      return [
        name, NumberText.grouped(Int(crossover.bytes.median.rounded())),
        "\(NumberText.grouped(Int(crossover.bytes.low.rounded())))-\(NumberText.grouped(Int(crossover.bytes.high.rounded())))",
      ] + predicted + ["\(sides.below.name) below, \(sides.above.name) above"]
    }
  }

  private func text(_ prediction: CrossoverPrediction) -> String {
    switch prediction {
    case .at(let bytes): NumberText.grouped(Int(bytes.rounded()))
    case .mappingAlwaysCheaper: "mapping always"
    case .copyingAlwaysCheaper: "copying always"
    }
  }

  // MARK: What the predictions stand on

  private func primitives(_ placement: PlacementClass) -> String {
    let rows = report.primitives.filter { $0.placement == placement }
    guard !rows.isEmpty else { return "" }
    var names: [String] = []
    for row in rows where !names.contains(row.key.name) { names.append(row.key.name) }
    let sizes = Set(rows.map(\.key.bytes)).sorted()
    var table = TextTable([("ns without a ring", .left)] + sizes.map { (NumberText.grouped($0), .right) })
    for name in names {
      table.add(
        [name]
          + sizes.map { bytes in
            rows.first { $0.key.name == name && $0.key.bytes == bytes }
              .map { NumberText.short($0.time.median) } ?? ""
          })
    }
    return
      "\nMeasured in the same run; S* predicted = bandwidth x (t_map + t_unmap) / k, with search: less what finding a slot takes\n"
      + table.render()
  }

  private func hybrid(_ placement: PlacementClass) -> String {
    guard let holds = report.hybridHolds(placement) else { return "" }
    let checks = report.hybrid.filter { $0.placement == placement }
    guard let worst = checks.max(by: { $0.ratio.median < $1.ratio.median }) else { return "" }
    let most = NumberText.fixed((worst.ratio.median - 1) * 100, 1)
    return
      "\nhybrid is \(holds ? "" : "not ")within 5 % of the better path at every size: at most \(most) % dearer "
      + "(\(worst.direction.name), \(NumberText.grouped(worst.bytes)) bytes, against \(worst.better.name))\n"
  }
}

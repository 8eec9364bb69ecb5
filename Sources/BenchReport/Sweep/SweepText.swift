import BenchHarness
import BenchPaths
import RingKit

/// The sweep for people: for each ring and direction times, throughput and share of direct by size, then the
/// crossovers.
extension SweepReport {
  /// Shows `shownClass`, or the class with most slices when that is `nil`.
  package func text(shownClass: PlacementClass?) -> String {
    let caveat = Lines.caveat(interrupted: interrupted, disturbed: disturbed)
    let dropped = DropReason.sentence(slicesDroppedBy)
    guard let placement = shownClass ?? mainClass else { return "\(caveat)\(AnswerSentence.nothing) \(dropped)\n" }
    let parameters = parameters
    let rows = results.filter { $0.placement?.class == placement }
    var text = Lines.machine(machine)
    text += Lines.place(
      driver: parameters.driverCPU, device: parameters.deviceCPU,
      rows.isEmpty ? [PlacementFigure(placement, nil)] : rows.compactMap(\.placement))
    text += "\n" + Lines.load(parameters) + parameters.iommu.text(parameters.measuredPaths)
    for ring in parameters.rings {
      for direction in parameters.directions {
        text += tables(rows.filter { $0.ring == ring && $0.direction == direction }, ring, direction)
        text += crossovers(ring, direction, placement)
      }
    }
    text += refusals() + primitives(placement) + hybrid(placement) + "\n\(caveat)\(dropped)"
    text += Lines.also(results.compactMap(\.placement?.class), shown: placement)
    return text + " " + Lines.more("sweep")
  }

  private func tables(_ rows: [SweepRow], _ ring: RingLayout, _ direction: DMADirection) -> String {
    guard !rows.isEmpty else { return "" }
    var (times, rates, shares) = ([[String]](), [[String]](), [[String]]())
    let paths = parameters.measuredPaths
    for bytes in ascending(parameters.sizes) {
      var (time, rate, share) = ([grouped(bytes)], [grouped(bytes)], [grouped(bytes)])
      for path in paths {
        let row = rows.first { $0.path == path && $0.bytes == bytes }
        let isRefused = results.contains {
          $0.ring == ring && $0.direction == direction && $0.path == path && $0.bytes == bytes && $0.refused != nil
        }
        let other = isRefused ? "refused" : "-"
        time.append(row == nil ? other : short(row?.nsPerBuffer?.median))
        rate.append(row == nil ? other : short(row?.bytesPerSecond.map { $0.median / 1e9 }))
        let ratio = row?.ratioToDirect?.wrappedValue
        share.append(row == nil ? other : fixed(ratio.map { 100 / $0.median }, path == .direct ? 0 : 1))
      }
      times.append(time)
      rates.append(rate)
      shares.append(share)
    }
    let columns = paths.map { "|>\($0.name)\(parameters.iommu.isInjected($0) ? " (injected)" : "")" }
    let titles = ">bytes" + columns.joined()
    var text = TextTable.text(titles, times, title: "\(ring.name), \(direction.name): ns per buffer")
    // Bytes that were not touched did not move.
    if parameters.touch == .full { text += "GB/s\n" + TextTable.text(titles, rates) }
    return text + "% of direct's throughput\n" + TextTable.text(titles, shares)
  }

  private func refusals() -> String {
    var lines: [String] = []
    for row in results {
      guard let reason = row.refused else { continue }
      let line = "  \(row.path.name), \(grouped(row.bytes)) bytes: \(reason)\n"
      if !lines.contains(line) { lines.append(line) }
    }
    return lines.isEmpty ? "" : "\nRefused\n" + lines.joined()
  }

  private func crossovers(_ ring: RingLayout, _ direction: DMADirection, _ placement: PlacementClass) -> String {
    var lines: [[String]] = []
    for pair in crossovers
    where pair.ring == ring && pair.direction == direction && pair.placement == placement {
      let name = "\(pair.paths[0].name) and \(pair.paths[1].name)"
      let predicted = pair.predicted?.texts ?? ["", ""]
      if pair.crossovers.isEmpty { lines.append([name, "none", ""] + predicted + [pair.sentence]) }
      for crossover in pair.crossovers {
        let bytes = [crossover.bytes.median, crossover.bytes.low, crossover.bytes.high].map {
          grouped(Int($0.rounded()))
        }
        lines.append(
          [name, bytes[0], "\(bytes[1])-\(bytes[2])"] + predicted
            + ["\(crossover.cheaperBelow.name) below, \(crossover.cheaperAbove.name) above"])
      }
    }
    return TextTable.text("crossover|>S* measured|95 %|>S* predicted|>with search|", lines)
  }

  /// What the predictions stand on.
  private func primitives(_ placement: PlacementClass) -> String {
    let rows = primitives.filter { $0.placement == placement }
    var names: [String] = []
    for row in rows where !names.contains(row.name) { names.append(row.name) }
    let sizes = ascending(rows.map(\.bytes))
    let cells = names.map { name in
      [name]
        + sizes.map { bytes in
          rows.first { $0.name == name && $0.bytes == bytes }.map { short($0.ns.median) } ?? ""
        }
    }
    return TextTable.text(
      "ns without a ring" + sizes.map { "|>" + grouped($0) }.joined(), cells,
      title:
        "Measured in the same run; S* predicted = bandwidth x (t_map + t_unmap) / k, with search: less what finding a slot takes"
    )
  }

  private func hybrid(_ placement: PlacementClass) -> String {
    let checks = hybrid.filter { $0.placement == placement }
    guard let worst = checks.max(by: { $0.ratioToBetter.median < $1.ratioToBetter.median }) else { return "" }
    return
      "\nhybrid is \(worst.within5Percent ? "" : "not ")within 5 % of the better path at every size: at most "
      + "\(fixed((worst.ratioToBetter.median - 1) * 100, 1)) % dearer (\(worst.direction.name), \(grouped(worst.bytes)) "
      + "bytes, against \(worst.better.name))\n"
  }
}

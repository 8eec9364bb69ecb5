import BenchHarness
import BenchPaths

/// The rings beside their floors, for people.
extension RingReport {
  /// Shows `shownClass`, or the class with most slices when that is `nil`.
  package func text(shownClass: PlacementClass?) -> String {
    let caveat = Lines.caveat(interrupted: interrupted, disturbed: disturbed)
    let dropped = DropReason.sentence(slicesDroppedBy)
    guard let placement = shownClass ?? mainClass else { return "\(caveat)\(AnswerSentence.nothing) \(dropped)\n" }
    let rows = results.filter { $0.placement.class == placement }
    let place = Lines.place(
      driver: parameters.driverCPU, device: parameters.deviceCPU,
      rows.isEmpty ? [PlacementFigure(placement, nil)] : rows.map(\.placement))
    return Lines.machine(machine) + place + "; payload not touched\n" + tables(rows) + "\n\(caveat)\(dropped)"
      + Lines.also(results.map(\.placement.class), shown: placement) + " " + Lines.more("ring")
  }

  private func tables(_ rows: [RingRow]) -> String {
    var (rings, others, latencies) = ([[String]](), [[String]](), [[String]]())
    for row in rows {
      let order = row.inOrder ? "in-order" : "any"
      let interval = row.ratioToFloor.map { "\(fixed($0.low, 2))-\(fixed($0.high, 2))" } ?? ""
      rings.append([
        row.ring.name, order, "\(row.batch)", "\(row.queueSize)", "\(row.outstanding)",
        "\(row.chain)\(row.indirect ? " indirect" : "")",
        "\(row.notification.name)\(row.eventIdx ? ", event idx" : "")", short(row.nsPerBuffer.median),
        short(row.cyclesPerBuffer.median), short(row.buffersPerSecond.median / 1e6),
        short(row.floorNsPerBuffer?.median), fixed(row.ratioToFloor?.median, 2), interval, "\(row.slicesKept)",
        modes(row),
      ])
      for floor in row.floors where floor.name != row.floor {
        others.append([
          floor.name, row.ring.name, order, "\(row.batch)", "\(row.outstanding)", short(floor.nsPerBuffer.median),
          fixed(floor.ratio?.median, 2),
        ])
      }
      if let latency = row.roundTripLatencyNs {
        latencies.append([
          "\(row.ring.name)\(row.inOrder ? " in-order" : ""), \(row.notification.name)", short(latency.p50),
          short(latency.p90), short(latency.p99), short(latency.p999), short(latency.max), grouped(latency.count),
        ])
      }
    }
    let first = TextTable.text(
      "ring|order|>batch|>queue|>out|chain|notify|>ns/buffer|>cycles|>M/s|>floor ns|>ring/floor|95 %|>slices|modes",
      rings)
    let further = TextTable.text("further floors|ring|order|>batch|>out|>floor ns|>ring/floor", others)
    return "\n" + first + (further.isEmpty ? "" : "\n") + further
      + TextTable.text(
        "one buffer outstanding|>p50 ns|>p90|>p99|>p99.9|>max|>round trips", latencies,
        title: "Round trips timed one by one, in whatever placement they fell")
  }

  private func modes(_ row: RingRow) -> String {
    var parts: [String] = []
    for (name, modes) in [("ring", row.modes), ("floor", row.floorModes)] {
      guard let modes, modes.isBimodal else { continue }
      let texts = modes.modes.map { "\(short($0.nsPerBuffer)) (\(fixed($0.share * 100, 0)) %)" }
      parts.append("\(name) \(texts.joined(separator: " or "))")
    }
    return parts.joined(separator: ", ")
  }
}

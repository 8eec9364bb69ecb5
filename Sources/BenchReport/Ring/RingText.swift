import BenchHarness
import BenchPaths

/// The ring sweep for people.
package struct RingText {
  private let report: RingReport
  private let placement: PlacementClass?

  /// `shownClass` is the class to show, or `nil` for the one with most slices.
  package init(_ report: RingReport, shownClass: PlacementClass?) {
    self.report = report
    placement = shownClass ?? report.mainClass
  }

  package func render() -> String {
    let interruption = Caveat.text(interrupted: report.interrupted, disturbed: report.disturbed)
    let dropped = DropReason.sentence(report.slicesDroppedBy)
    guard let placement else { return "\(interruption)Nothing was measured: no slice was kept. \(dropped)\n" }
    let rows = report.rows.filter { $0.placement == placement }
    let trip = Percentile.median(rows.map(\.roundTrip)).map { ", round trip \(NumberText.short($0)) ns" } ?? ""
    var text = """
      \(report.machine.cpuModel), Linux \(report.machine.kernel), \(report.machine.toolchain)
      Driver on CPU \(report.parameters.driverCPU), device on CPU \(report.parameters.deviceCPU): class \
      \(placement.name)\(trip); payload not touched

      """
    text += "\n" + table(rows).render()
    text += otherFloors(rows)
    text += latencies(rows)
    let others = PlacementClass.allCases.filter { other in
      other != placement && report.rows.contains { $0.placement == other }
    }
    let also = others.isEmpty ? "" : " Also measured: \(others.map { "--class \($0.name)" }.joined(separator: ", "))."
    return text + "\n\(interruption)\(dropped)\(also) More: 'ringbench help ring', '--format json'.\n"
  }

  private func table(_ rows: [RingRow]) -> TextTable {
    var table = TextTable([
      ("ring", .left), ("order", .left), ("batch", .right), ("queue", .right), ("out", .right), ("chain", .left),
      ("notify", .left), ("ns/buffer", .right), ("cycles", .right), ("M/s", .right), ("floor ns", .right),
      ("ring/floor", .right), ("95 %", .left), ("slices", .right), ("modes", .left),
    ])
    for row in rows {
      let point = row.point
      table.add([
        point.ring.name, point.inOrder ? "in-order" : "any", "\(point.batch)", "\(point.queueSize)",
        "\(point.outstanding)", "\(point.chain)\(point.indirect ? " indirect" : "")",
        "\(point.notification.name)\(point.eventIndex ? ", event idx" : "")",
        NumberText.short(row.nanosecondsPerBuffer.median), NumberText.short(row.cyclesPerBuffer.median),
        NumberText.short(row.buffersPerSecond.median / 1e6),
        row.floor.map { NumberText.short($0.nanosecondsPerBuffer.median) } ?? "-",
        row.ratioToFloor.map { NumberText.fixed($0.median, 2) } ?? "-",
        row.ratioToFloor.map { "\(NumberText.fixed($0.low, 2))-\(NumberText.fixed($0.high, 2))" } ?? "",
        "\(row.slicesKept)", modes(row),
      ])
    }
    return table
  }

  private func modes(_ row: RingRow) -> String {
    func text(_ modes: Modes) -> String {
      modes.modes.map { "\(NumberText.short($0.nsPerBuffer)) (\(NumberText.fixed($0.share * 100, 0)) %)" }
        .joined(separator: " or ")
    }
    var parts: [String] = []
    if row.modes.isBimodal { parts.append("ring \(text(row.modes))") }
    if let floor = row.floor, floor.modes.isBimodal { parts.append("floor \(text(floor.modes))") }
    return parts.joined(separator: ", ")
  }

  private func otherFloors(_ rows: [RingRow]) -> String {
    var table = TextTable([
      ("further floors", .left), ("ring", .left), ("order", .left), ("batch", .right), ("out", .right),
      ("floor ns", .right), ("ring/floor", .right),
    ])
    var isEmpty = true
    for row in rows {
      for floor in row.floors where floor.name != row.floor?.name {
        isEmpty = false
        table.add([
          floor.name, row.point.ring.name, row.point.inOrder ? "in-order" : "any", "\(row.point.batch)",
          "\(row.point.outstanding)", NumberText.short(floor.nanosecondsPerBuffer.median),
          floor.ratio.map { NumberText.fixed($0.median, 2) } ?? "-",
        ])
      }
    }
    return isEmpty ? "" : "\n" + table.render()
  }

  private func latencies(_ rows: [RingRow]) -> String {
    let timed = rows.filter { $0.latency != nil }
    guard !timed.isEmpty else { return "" }
    var table = TextTable([
      ("one buffer outstanding", .left), ("p50 ns", .right), ("p90", .right), ("p99", .right), ("p99.9", .right),
      ("max", .right), ("round trips", .right),
    ])
    for row in timed {
      guard let latency = row.latency else { continue }
      table.add(
        ["\(row.point.ring.name)\(row.point.inOrder ? " in-order" : ""), \(row.point.notification.name)"]
          + [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map { NumberText.short($0) }
          + [NumberText.grouped(latency.count)])
    }
    return "\nRound trips timed one by one, in whatever placement they fell\n" + table.render()
  }
}

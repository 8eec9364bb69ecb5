import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// The report for people: one table per ring, direction and size, then the answer.
package struct CostText {
  private let report: CostReport
  private let placement: PlacementClass?

  /// Shows `shownClass`, or the class with most slices when that is `nil`.
  package init(_ report: CostReport, shownClass: PlacementClass?) {
    self.report = report
    placement = shownClass ?? report.mainClass
  }

  package func render() -> String {
    guard let placement else { return interruption + AnswerSentence.nothing + " \(dropped)\n" }
    let rows = report.rows.filter { $0.placement == placement }
    var text = heading(rows, placement)
    for ring in report.parameters.rings {
      for direction in report.parameters.directions {
        for bytes in report.parameters.sizes {
          text += table(
            rows.filter { $0.ring == ring && $0.direction == direction && $0.bytes == bytes },
            title: "\(ring.name), \(direction.name), \(NumberText.grouped(bytes)) bytes")
        }
      }
    }
    text += "\n" + interruption + AnswerSentence.text(for: report, in: placement) + "\n"
    return text + more(placement)
  }

  private func heading(_ rows: [CostRow], _ placement: PlacementClass) -> String {
    let parameters = report.parameters
    let trip = Percentile.median(rows.map(\.roundTrip)).map { ", round trip \(NumberText.short($0)) ns" } ?? ""
    return """
      \(report.machine.cpuModel), Linux \(report.machine.kernel), \(report.machine.toolchain)
      Driver on CPU \(parameters.driverCPU), device on CPU \(parameters.deviceCPU): class \(placement.name)\(trip)
      \(queues)Queue \(parameters.queueSize), \(parameters.depth) outstanding, batch \(parameters.batch); payload \(touch)
      \(memory)
      \(parameters.iommu.text(parameters.measuredPaths))
      """
  }

  private var memory: String {
    let text = report.memory.map(\.text).joined(separator: ", ")
    return text.prefix(1).uppercased() + text.dropFirst()
  }

  private var queues: String {
    let parameters = report.parameters
    guard parameters.queues > 1 else { return "" }
    let threads = parameters.queueThreads == .pair ? "one pair of threads" : "a pair of threads each"
    return "\(parameters.queues) queues on \(threads), figures over all of them; each:\n"
  }

  private var touch: String {
    report.parameters.touch == .full ? "written and checked in full" : "not touched"
  }

  private func table(_ rows: [CostRow], title: String) -> String {
    guard !rows.isEmpty else { return "" }
    var table = TextTable([
      ("path", .left), ("ns/buffer", .right), ("M/s", .right), ("GB/s", .right), ("% of direct", .right),
      ("95 %", .left), ("slices", .right), ("work per buffer", .left),
    ])
    for path in DMAPath.allCases {
      for row in rows where row.path == path { table.add(cells(row)) }
    }
    let injected =
      rows.contains(where: \.injected)
      ? ", viommu with \(NumberText.grouped(report.parameters.iommu.viommuNanoseconds)) ns injected at each exit" : ""
    return "\n\(title)\(injected)\n\(table.render())"
  }

  private func cells(_ row: CostRow) -> [String] {
    let rate = row.buffersPerSecond.median
    let share = row.ratioToDirect?.reciprocal(times: 100)
    let isBaseline = row.path == .direct && !row.isolated
    let interval = share.map { "\(NumberText.fixed($0.low, 1))-\(NumberText.fixed($0.high, 1))" } ?? ""
    return [
      row.path.name + (row.price.map { " (\($0))" } ?? "") + (row.isolated ? " (isolated)" : ""),
      NumberText.short(row.nanosecondsPerBuffer.median),
      NumberText.short(rate / 1e6), bandwidth(row),
      share.map { NumberText.fixed($0.median, isBaseline ? 0 : 1) } ?? "-", isBaseline ? "" : interval,
      "\(row.slicesKept)", CounterText.text(row.counters),
    ]
  }

  // Bytes that nobody touched did not move.
  private func bandwidth(_ row: CostRow) -> String {
    guard report.parameters.touch == .full else { return "-" }
    return NumberText.short(row.buffersPerSecond.median * Double(row.bytes) / 1e9)
  }

  private var interruption: String {
    Caveat.text(interrupted: report.interrupted, disturbed: report.disturbed)
  }

  private var dropped: String { DropReason.sentence(report.slicesDroppedBy) }

  private func more(_ placement: PlacementClass) -> String {
    let others = PlacementClass.allCases.filter { other in
      other != placement && report.rows.contains { $0.placement == other }
    }
    let also = others.isEmpty ? "" : " Also measured: \(others.map { "--class \($0.name)" }.joined(separator: ", "))."
    return "\(dropped)\(also) More: 'ringbench help cost', '--format json'.\n"
  }
}

import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What became of the maps, for people: one table per ring, direction and pool.
package struct ExhaustText {
  private let report: ExhaustReport

  package init(_ report: ExhaustReport) { self.report = report }

  package func render() -> String {
    let parameters = report.parameters
    var text = """
      Queue \(parameters.queueSize), the device serves \(parameters.batch) at a time, \
      \(NumberText.grouped(parameters.buffers)) buffers a row; every byte and the order checked

      """
    for ring in parameters.rings {
      for direction in parameters.directions {
        for pool in parameters.pools {
          text += table(
            report.rows.filter {
              $0.what.ring == ring && $0.what.direction == direction && $0.what.poolBytes == pool
            }, title: "\(ring.name), \(direction.name), pool of \(NumberText.bytes(pool))")
        }
      }
    }
    text += "\n" + Caveat.text(interrupted: report.interrupted, disturbed: false) + report.answer + "\n"
    return text + "More: 'ringbench help exhaust', '--format json'.\n"
  }

  private func table(_ rows: [ExhaustRow], title: String) -> String {
    guard !rows.isEmpty else { return "" }
    var table = TextTable([
      ("bytes", .right), ("depth", .right), ("areas", .right), ("mode", .left), ("maps", .right),
      ("failed %", .right), ("delayed %", .right), ("tries", .right), ("outstanding", .right), ("slots", .right),
      ("searched", .right), ("", .left),
    ])
    for row in rows {
      table.add([
        NumberText.grouped(row.what.bytes), "\(row.what.depth)", "\(row.areas)", row.what.mode.name,
        NumberText.grouped(row.tally.attempts), NumberText.fixed(row.failedShare * 100, 1),
        NumberText.fixed(row.delayedShare * 100, 1), "\(row.tally.mostAttempts)", "\(row.tally.mostOutstanding)",
        "\(row.highWaterSlots) of \(row.poolSlots)", NumberText.short(row.perAttempt(row.slotsSearched)),
        row.error == nil ? "" : "always: too large",
      ])
    }
    return "\n\(title)\n\(table.render())"
  }
}

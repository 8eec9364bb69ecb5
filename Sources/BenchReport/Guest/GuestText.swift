import BenchHarness
import BenchPaths

/// What the guest showed, for people: times under KVM, and the counts, one table a ring.
package struct GuestText {
  private let report: GuestReport

  package init(_ report: GuestReport) { self.report = report }

  package func render() -> String {
    let parameters = report.parameters
    let kernel = report.rows.first?.console.kernel ?? "?"
    let each = parameters.requests ?? 0
    var text = """
      Linux \(kernel) guest, \(parameters.threads) threads, each \(NumberText.grouped(each)) random writes and then as \
      many reads of \(NumberText.bytes(parameters.blockBytes)), O_DIRECT; our vhost-user device on the other end

      """
    for ring in parameters.rings {
      let rows = report.rows.filter { $0.ring == ring }
      guard !rows.isEmpty else { continue }
      if report.hasTimes { text += "\n\(ring.name), times\n" + times(rows) }
      text += "\n\(ring.name), counts\n" + counts(rows)
    }
    text += "\n" + Caveat.text(interrupted: report.interrupted, disturbed: false) + report.answer + "\n"
    return text + "More: 'ringbench help guest', '--format json'.\n"
  }

  private func times(_ rows: [GuestRow]) -> String {
    var table = TextTable([
      ("setting", .left), ("", .left), ("requests/s", .right), ("× direct", .right), ("p50 µs", .right),
      ("p90", .right),
      ("p99", .right), ("p99.9", .right), ("max", .right),
    ])
    for row in rows {
      for pass in row.console.passes {
        table.add(
          [
            row.setting.name, pass.operation, NumberText.fixed(pass.requestsPerSecond, 0),
            report.ratio(row, pass.operation).map { NumberText.fixed($0, 2) } ?? "-",
          ] + pass.latency.map { NumberText.short(Double($0) / 1000) })
      }
    }
    return table.render()
  }

  private func counts(_ rows: [GuestRow]) -> String {
    // Under KVM the guest's kernel is not asked to trace: that would cost time.
    let traced = !report.hasTimes
    var columns: [(title: String, alignment: TextTable.Alignment)] = [
      ("setting", .left), ("negotiated", .left), ("requests", .right), ("interrupts", .right), ("IOTLB hits", .right),
      ("misses", .right), ("updates", .right), ("invalidations", .right),
    ]
    if traced { columns += [("maps", .right), ("unmaps", .right), ("bounces", .right)] }
    columns.append(("slots at most", .right))
    var table = TextTable(columns)
    for row in rows {
      var cells = [row.setting.name, row.console.ringFeatures]
      let device = row.device
      cells += [
        device.buffers, device.notifications, device.iotlbHits, device.iotlbMisses, device.iotlbUpdates,
        device.iotlbInvalidations,
      ].map { NumberText.grouped($0) }
      if traced {
        cells += ["map", "unmap", "swiotlb_bounced"].map { NumberText.grouped(row.console.events[$0] ?? 0) }
      }
      cells.append(NumberText.grouped(row.peakSlots))
      table.add(cells)
    }
    return table.render()
  }
}

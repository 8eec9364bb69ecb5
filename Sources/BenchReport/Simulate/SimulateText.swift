import BenchHarness
import BenchPaths

/// The predictions for people: a table per model, what they rest on, and what real threads did.
package struct SimulateText {
  private let report: SimulateReport

  package init(_ report: SimulateReport) { self.report = report }

  package func render() -> String {
    var text = """
      SIMULATED: virtual time, seed \(report.parameters.seed); no machine with so many CPUs was measured
      Costs of \(report.machine.cpuModel), \(report.machine.toolchain)

      """
    text += "\nWhat an operation is made of, ns on one thread\n\(primitives)"
    for model in report.parameters.models {
      text += table(report.rows.filter { $0.model == model }, title: "\(model.name) (simulated)")
    }
    if report.parameters.isChecked { text += checks }
    let most =
      "bound: what the lock, or the unit, allows at most, however many CPUs: the time of an operation by the time held, before lines travel."
    return text + "\n" + Caveat.text(interrupted: report.interrupted, disturbed: false) + Paragraph.text(most)
      + "More: 'ringbench help simulate', '--format json'.\n"
  }

  private var primitives: String {
    var table = TextTable([("primitive", .left), ("ns", .right), ("", .left)])
    for name in Primitive.allCases {
      let cost = report.primitives[name]
      table.add([
        name.name, NumberText.short(cost.nanoseconds), cost.source == .measured ? "" : cost.source.rawValue,
      ])
    }
    return table.render()
  }

  private func table(_ rows: [SimulateRow], title: String) -> String {
    guard !rows.isEmpty else { return "" }
    var table = TextTable([
      ("CPUs", .right), ("M/s", .right), ("x one CPU", .right), ("bound", .right), ("lock wait %", .right),
      ("unit wait %", .right),
    ])
    for row in rows {
      table.add([
        "\(row.result.cpus)", NumberText.short(row.result.operationsPerSecond / 1e6),
        NumberText.fixed(row.scaling, 2), row.saturation.map { NumberText.short($0) } ?? "none",
        NumberText.fixed(row.result.lockWaitShare * 100, 1), NumberText.fixed(row.result.unitWaitShare * 100, 1),
      ])
    }
    return "\n\(title)\n\(table.render())"
  }

  private var checks: String {
    var table = TextTable([
      ("model", .left), ("CPUs", .right), ("predicted M/s", .right), ("measured M/s", .right), ("ratio", .right),
      ("line ns", .right),
    ])
    for check in report.checks {
      table.add([
        check.model.name, "\(check.cpus)", NumberText.short(check.predicted / 1e6),
        NumberText.short(check.measured / 1e6), NumberText.fixed(check.ratio, 2),
        check.transfer.map { NumberText.short($0) } ?? "-",
      ])
    }
    return "\nChecked with real threads: the locked parts and the copy alone, as fast as they go\n" + table.render()
      + Paragraph.text(
        """
        iova-magazines and swiotlb-per-cpu share no lock: what they lack on two CPUs is the machine's own (threads of one \
        core, memory, a hypervisor), and no simulation of locks has it.
        """)
  }
}

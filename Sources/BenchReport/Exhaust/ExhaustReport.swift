import BenchHarness
import BenchPaths

/// Everything `ringbench exhaust` found.
package struct ExhaustReport: Encodable, Sendable {
  package let schema = 1
  package let machine: Machine
  package let parameters: ExhaustParameters
  package let rows: [ExhaustRow]
  package let interrupted: Bool

  package init(machine: Machine, parameters: ExhaustParameters, rows: [ExhaustRow], interrupted: Bool) {
    self.machine = machine
    self.parameters = parameters
    self.rows = rows
    self.interrupted = interrupted
  }

  private enum CodingKeys: String, CodingKey {
    case schema, machine, parameters, interrupted
    case rows = "results"
  }

  /// What the rows say together.
  package var answer: String {
    let refused = rows.filter { $0.error != nil }
    let full = rows.filter { $0.error == nil && $0.tally.failures > 0 }
    let delivered = rows.map(\.tally.delivered).reduce(0, +)
    var text = "\(NumberText.grouped(delivered)) buffers delivered, none lost, swapped or damaged"
    text +=
      full.isEmpty
      ? "; no pool ran full." : "; in \(full.count) of \(rows.count) rows the pool ran full and the ring went on."
    if let error = refused.first?.error { text += " Beyond the ceiling: \(error)." }
    return text
  }
}

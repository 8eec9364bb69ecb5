import BenchHarness
import BenchPaths

/// Everything `ringbench simulate` predicts, and what it rests on.
package struct SimulateReport: Encodable, Sendable {
  package let schema = 1
  package let simulated = true
  package let machine: Machine
  package let parameters: SimulateParameters
  package let primitives: PrimitiveTable
  package let rows: [SimulateRow]
  package let checks: [SimulateCheck]
  package let interrupted: Bool

  package init(
    machine: Machine, parameters: SimulateParameters, primitives: PrimitiveTable, rows: [SimulateRow],
    checks: [SimulateCheck], interrupted: Bool
  ) {
    self.machine = machine
    self.parameters = parameters
    self.primitives = primitives
    self.rows = rows
    self.checks = checks
    self.interrupted = interrupted
  }

  private enum CodingKeys: String, CodingKey {
    case schema, simulated, machine, parameters, primitives, checks, interrupted
    case rows = "results"
  }
}

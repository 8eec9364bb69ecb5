/// Everything `ringbench simulate` predicts, and what it rests on.
struct SimulateReport: Encodable, Sendable {
  let schema = 1
  let simulated = true
  let machine: Machine
  let parameters: SimulateParameters
  let primitives: PrimitiveTable
  let rows: [SimulateRow]
  let checks: [SimulateCheck]
  let interrupted: Bool

  private enum CodingKeys: String, CodingKey {
    case schema, simulated, machine, parameters, primitives, checks, interrupted
    case rows = "results"
  }
}

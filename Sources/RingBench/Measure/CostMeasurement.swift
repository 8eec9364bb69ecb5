/// Runs the rings and gathers the slices.
struct CostMeasurement {
  private let parameters: CostParameters
  private let machine: Machine

  init(_ parameters: CostParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(progress: Progress) throws(BenchError) -> CostReport {
    CostReport(machine: machine, parameters: parameters, rows: [], slicesDroppedBy: [:], interrupted: false)
  }
}

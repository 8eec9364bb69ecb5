import BenchPaths
import BenchPlan
import BenchReport

/// Primitives, then every model on every number of CPUs, then what real threads do.
package struct SimulationRun {
  let parameters: SimulateParameters
  let machine: Machine

  package init(parameters: SimulateParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> SimulateReport {
    var primitives = PrimitiveTable()
    if parameters.needsMeasuring {
      progress.update("timing primitives")
      primitives = try PrimitiveMeasurement(
        driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU
      ).run()
    }
    for (name, time) in parameters.given { primitives[name] = PrimitiveCost(nanoseconds: time, source: .injected) }
    var rows: [SimulateRow] = []
    for model in parameters.models where !Interrupt.isRequested {
      let operation = model.operation(primitives)
      guard operation.duration > 0 else {
        throw .usage(
          "an operation of \(model.name) that takes no time has no rate; give --primitive driver=NS, for example")
      }
      var alone: Double?
      for cpus in [1] + parameters.cpus.filter({ $0 != 1 }) {
        progress.update("\(model.name) on \(cpus) simulated CPUs")
        let result = simulate(operation, cpus, primitives)
        // What an interruption cut short is no result.
        if Interrupt.isRequested { break }
        let base = alone ?? result.operationsPerSecond
        alone = base
        guard parameters.cpus.contains(cpus) else { continue }
        rows.append(
          SimulateRow(
            model: model, result: result, scaling: result.operationsPerSecond / base, saturation: operation.saturation))
      }
    }
    var checks: [SimulateCheck] = []
    if parameters.isChecked { checks = try check(primitives, progress) }
    return SimulateReport(
      machine: machine, parameters: parameters, primitives: primitives, rows: rows, checks: checks,
      interrupted: Interrupt.isRequested)
  }

  private func simulate(_ operation: SimulatedOperation, _ cpus: Int, _ costs: PrimitiveTable) -> SimulationResult {
    var simulator = ContentionSimulator(
      operation, cpus: cpus, transfer: costs.cost(.lineTransfer), length: parameters.operations,
      seed: parameters.seed)
    return simulator.run()
  }

  /// Predicted beside measured, for as many CPUs as there are threads for.
  private func check(_ primitives: PrimitiveTable, _ progress: Progress) throws(BenchError) -> [SimulateCheck] {
    let bare = primitives.without(LockCheck.leftOut)
    let real = [parameters.driverCPU] + (parameters.deviceCPU.map { [$0] } ?? [])
    var checks: [SimulateCheck] = []
    for model in parameters.models where LockCheck.models.contains(model) {
      for count in 1...real.count {
        if Interrupt.isRequested { return checks }
        progress.update("\(model.name) on \(count) real CPUs")
        let samples = try LockCheck(cpus: Array(real.prefix(count))).measure(model)
        // Each is predicted with the transfer that it had: where the CPUs are may change from one to the next.
        let predicted = samples.map { sample in
          var costs = bare
          if sample.transfer > 0 {
            costs[.lineTransfer] = PrimitiveCost(nanoseconds: sample.transfer, source: .measured)
          }
          return simulate(model.operation(bare), count, costs).operationsPerSecond
        }
        if let check = SimulateCheck(model: model, cpus: count, samples: samples, predicted: predicted) {
          checks.append(check)
        }
      }
    }
    return checks
  }
}

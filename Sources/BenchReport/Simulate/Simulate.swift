import BenchDocument

/// What a `simulate` run predicts: parsed, checked, free of the command line.
package struct SimulateParameters: Encodable, Sendable {
  package var models: [LockModel] = LockModel.allCases
  package var cpus = [1, 2, 4, 8, 16, 32, 64, 128]
  /// Virtual time, in operations of one CPU alone.
  package var operations = 2_000
  /// Costs that are not measured, in nanoseconds.
  package var given: [Primitive: Double] = [:]
  package var isChecked = false
  package var driverCPU = 0
  /// `nil` on a machine of one CPU.
  package var deviceCPU: Int?
  package var seed: UInt64 = 1

  package init() {}

  /// Whether any cost is left to be measured.
  package var needsMeasuring: Bool { Primitive.allCases.contains { given[$0] == nil } }

  private enum CodingKeys: String, CodingKey {
    case models, cpus, operations, driverCPU, deviceCPU, seed
    case isChecked = "check"
  }
}

/// One prediction: a model on a number of CPUs.
package struct SimulateRow: Encodable, Sendable {
  private let simulated = true
  let model: LockModel
  let cpus: Int
  @Figure var operationsPerSecond: Double
  /// Of one CPU, waiting included.
  @Null private var nsPerOperation: Figure?
  /// By what one CPU does.
  @Figure var scaling: Double
  /// The most it can come to; `nil` where nothing is shared.
  @Null var saturation: Figure?
  @Figure var lockWaitShare: Double
  @Figure var unitWaitShare: Double

  package init(model: LockModel, result: SimulationResult, scaling: Double, saturation: Double?) {
    (self.model, cpus, operationsPerSecond) = (model, result.cpus, result.operationsPerSecond)
    if result.operations > 0 {
      nsPerOperation = Figure(wrappedValue: Double(result.cpus) * result.nanoseconds / Double(result.operations))
    }
    self.scaling = scaling
    self.saturation = saturation.map { Figure(wrappedValue: $0) }
    (lockWaitShare, unitWaitShare) = (result.lockWaitShare, result.unitWaitShare)
  }
}

/// A prediction beside what real threads did at the same locks, in operations a second of all of them.
package struct SimulateCheck: Encodable, Sendable {
  // The prediction is; what it is held against is not, and says so in its name.
  private let simulated = true
  let model: LockModel
  let cpus: Int
  @Figure var predictedOperationsPerSecond: Double
  @Figure var measuredOperationsPerSecond: Double
  /// 1 is right; above it the simulation is too hopeful.
  @Figure var ratio: Double
  /// Of a line from CPU to CPU in the meantime; `nil` for one thread.
  let lineTransferNs: Figure?

  /// Medians of several runs, and of their ratios; `nil` without one that did something.
  package init?(model: LockModel, cpus: Int, samples: [LockSample], predicted: [Double]) {
    var (predictions, rates, ratios, transfers) = ([Double](), [Double](), [Double](), [Double]())
    for (sample, prediction) in zip(samples, predicted) where sample.operationsPerSecond > 0 {
      predictions.append(prediction)
      rates.append(sample.operationsPerSecond)
      ratios.append(prediction / sample.operationsPerSecond)
      transfers.append(sample.transfer)
    }
    guard let prediction = Percentile.median(predictions), let rate = Percentile.median(rates),
      let ratio = Percentile.median(ratios), let transfer = Percentile.median(transfers)
    else { return nil }
    (self.model, self.cpus, self.ratio) = (model, cpus, ratio)
    (predictedOperationsPerSecond, measuredOperationsPerSecond) = (prediction, rate)
    lineTransferNs = cpus > 1 ? Figure(wrappedValue: transfer) : nil
  }
}

/// Everything `ringbench simulate` predicts, and what it rests on.
package final class SimulateReport: Encodable {
  private let simulated = true
  package let machine: Machine
  let parameters: SimulateParameters
  let primitives: PrimitiveTable
  let results: [SimulateRow]
  let checks: [SimulateCheck]
  package let interrupted: Bool

  package init(
    machine: Machine, parameters: SimulateParameters, primitives: PrimitiveTable, rows: [SimulateRow],
    checks: [SimulateCheck], interrupted: Bool
  ) {
    (self.machine, self.parameters, self.primitives) = (machine, parameters, primitives)
    (results, self.checks, self.interrupted) = (rows, checks, interrupted)
  }
}

/// The predictions for people: a table per model, what they rest on, and what real threads did.
extension SimulateReport {
  package func text() -> String {
    var text = "SIMULATED: virtual time, seed \(parameters.seed); no machine with so many CPUs was measured\n"
    text += "Costs of \(machine.cpuModel), \(Version.toolchain)\n" + primitivesText
    for model in parameters.models {
      var rows: [[String]] = []
      for row in results where row.model == model {
        rows.append([
          "\(row.cpus)", short(row.operationsPerSecond / 1e6), fixed(row.scaling, 2),
          row.saturation.map { short($0.wrappedValue) } ?? "none", fixed(row.lockWaitShare * 100, 1),
          fixed(row.unitWaitShare * 100, 1),
        ])
      }
      text += TextTable.text(
        ">CPUs|>M/s|>x one CPU|>bound|>lock wait %|>unit wait %", rows, title: "\(model.name) (simulated)")
    }
    if parameters.isChecked { text += checksText }
    return text + "\n" + Lines.caveat(interrupted: interrupted)
      + Paragraph.text(
        """
        bound: what the lock, or the unit, allows at most, however many CPUs: the time of an operation by the time \
        held, before lines travel.
        """) + Lines.more("simulate")
  }

  private var primitivesText: String {
    let rows = Primitive.allCases.map { name in
      let cost = primitives[name]
      return [name.name, short(cost.nanoseconds), cost.source == .measured ? "" : cost.source.rawValue]
    }
    return TextTable.text("primitive|>ns|", rows, title: "What an operation is made of, ns on one thread")
  }

  private var checksText: String {
    let rows = checks.map { check in
      [
        check.model.name, "\(check.cpus)", short(check.predictedOperationsPerSecond / 1e6),
        short(check.measuredOperationsPerSecond / 1e6), fixed(check.ratio, 2),
        short(check.lineTransferNs?.wrappedValue),
      ]
    }
    return TextTable.text(
      "model|>CPUs|>predicted M/s|>measured M/s|>ratio|>line ns", rows,
      title: "Checked with real threads: the locked parts and the copy alone, as fast as they go")
      + Paragraph.text(
        """
        iova-magazines and swiotlb-per-cpu share no lock: what they lack on two CPUs is the machine's own (threads of \
        one core, memory, a hypervisor), and no simulation of locks has it.
        """)
  }
}

extension SimulateReport: PlainReport {
  package static var kind: ResultRow.Kind { .prediction }
  package static var dimensions: Set<String> { ["cpus"] }
  package var seed: UInt64? { parameters.seed }
}

import BenchPlan
import RingKit

/// A path on so many CPUs that share its lock: simulated in virtual time from primitives measured here.
package struct ScalePrediction: Sendable {
  let path: DMAPath
  let model: LockModel
  let result: SimulationResult
  let queues: Int

  package init(path: DMAPath, model: LockModel, queues: Int, result: SimulationResult) {
    (self.path, self.model, self.queues, self.result) = (path, model, queues, result)
  }

  /// Nanoseconds of an operation on one of its CPUs, waiting included.
  var nanoseconds: Double { Double(result.cpus) * result.nanoseconds / Double(max(1, result.operations)) }
}

extension LockModel {
  /// The lock that queues of a path meet at, with one pool area or one domain; `nil` where they share none.
  package static func shared(by path: DMAPath) -> LockModel? {
    switch path {
    case .swiotlb: .swiotlbOneArea
    case .iommuStrict: .invalidationStrict
    case .iommuLazy: .invalidationLazy
    default: nil
    }
  }
}

/// Everything `ringbench scale` found.
package struct ScaleReport: SlicedReport {
  let machine: Machine
  let parameters: ScaleParameters
  let results: [ResultRow]
  let slicesDroppedBy: [DropReason: Int]
  let disturbed: Bool
  package let interrupted: Bool

  /// What a run says whose cases are those of `keys`.
  package init(
    machine: Machine, parameters: ScaleParameters, keys: [ScaleKey], predictions: [ScalePrediction], run: PairedRun
  ) {
    (self.machine, self.parameters) = (machine, parameters)
    slicesDroppedBy = DropReason.counts(run.sorter.reasons)
    (disturbed, interrupted) = (run.sorter.isDisturbed, run.run.interrupted)
    let analysis = ScaleAnalysis(parameters, keys, run)
    results = analysis.rows() + analysis.growth(machine) + Self.rows(predictions, parameters)
  }

  private static func rows(_ predictions: [ScalePrediction], _ parameters: ScaleParameters) -> [ResultRow] {
    predictions.map { prediction in
      let alone = predictions.first { $0.path == prediction.path }?.nanoseconds ?? prediction.nanoseconds
      var row = ResultRow(.prediction)
      row.path = prediction.path
      row.labels = ScaleLabels.of(.queues, prediction.queues)
      row.labels["model"] = prediction.model.name
      row.figures = [
        ResultFigure("nsPerOperation", unit: "ns", prediction.nanoseconds, digits: 4),
        ResultFigure("ratioToFirst", unit: "1", prediction.nanoseconds / alone, digits: 4),
        ResultFigure("lockWaitShare", unit: "1", prediction.result.lockWaitShare, digits: 4),
        ResultFigure("unitWaitShare", unit: "1", prediction.result.unitWaitShare, digits: 4),
      ]
      row.note = "simulated"
      return row
    }
  }

  package var emptiness: String? {
    results.contains { $0.kind == .scale } ? nil : Lines.nothing(slicesDroppedBy)
  }
  package var seed: UInt64? { parameters.seed }

  func answer(_ document: ResultDocument) -> String? { document.mainClass.map { document.scaleAnswer($0) } }
}

/// What tells rows of a `scale` document apart beside ring and path.
enum ScaleLabels {
  static func of(_ axis: ScaleAxis, _ value: Int) -> [String: String] { ["axis": axis.name, "value": "\(value)"] }
}

extension ResultRow {
  var scaleAxis: ScaleAxis? { labels["axis"].flatMap { ScaleAxis(rawValue: $0) } }
  var scaleValue: Int? { labels["value"].flatMap { Int($0) } }
}

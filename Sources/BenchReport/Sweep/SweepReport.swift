import BenchPlan
import RingKit

/// Two paths over all sizes, on one ring, in one direction and one placement class.
package struct PathPair: Sendable {
  /// What their own costs predict, where one copies and the other maps.
  package struct Prediction: Sendable {
    package let bytes: Double?
    package let bytesWithOverhead: Double?
    /// Both, for people.
    let texts: [String]
  }

  let ring: RingLayout
  package let direction: DMADirection
  package let placement: PlacementClass
  package let paths: [DMAPath]
  /// The smallest and the largest at which both were measured.
  let sizes: [Int]
  /// The path that is cheaper at every size that tells, if there is one.
  private let cheaperThroughout: DMAPath?
  package let crossovers: [Crossover.Meeting]
  package private(set) var predicted: Prediction?

  init(
    _ key: CostKey, _ second: DMAPath, _ placement: PlacementClass, sizes: [Int], _ finding: CrossoverFinding,
    _ prediction: (formula: CrossoverPrediction, withOverhead: CrossoverPrediction)?
  ) {
    (ring, direction, paths) = (key.ring, key.direction, [key.path, second])
    (self.placement, self.sizes) = (placement, sizes)
    switch finding.cheaper {
    case .first: cheaperThroughout = key.path
    case .second: cheaperThroughout = second
    case .neither: cheaperThroughout = nil
    }
    crossovers = finding.crossovers.map { crossover in
      let (below, above) = crossover.firstIsCheaperBelow ? (key.path, second) : (second, key.path)
      return Crossover.Meeting(
        bytes: crossover.bytes.rounded, between: [crossover.between.lowerBound, crossover.between.upperBound],
        cheaperBelow: below, cheaperAbove: above)
    }
    if let (formula, withOverhead) = prediction {
      predicted = Prediction(
        bytes: formula.bytes.map { Rounded.value($0) }, bytesWithOverhead: withOverhead.bytes.map { Rounded.value($0) },
        texts: [Self.text(formula), Self.text(withOverhead)])
    }
  }

  private static func text(_ prediction: CrossoverPrediction) -> String {
    switch prediction {
    case .at(let bytes): grouped(Int(bytes.rounded()))
    case .mappingAlwaysCheaper: "mapping always"
    case .copyingAlwaysCheaper: "copying always"
    }
  }

  /// k of the formula.
  package var copies: Int { paths[0].copies(direction) ?? paths[1].copies(direction) ?? 1 }

  /// As a document has it.
  var crossover: Crossover {
    Crossover(
      ring: ring, direction: direction, placement: placement, paths: paths, sizes: sizes, meetings: crossovers,
      cheaperThroughout: cheaperThroughout, predictedBytes: predicted?.bytes,
      predictedBytesWithSearch: predicted?.bytesWithOverhead, predicted: predicted?.texts)
  }

  package var sentence: String { crossover.sentence }
}

extension Crossover {
  /// One line for people, without the names.
  var sentence: String {
    guard meetings.isEmpty else {
      return meetings.map {
        "\($0.cheaperBelow.name) below, \($0.cheaperAbove.name) above \(grouped(Int($0.bytes.median))) bytes"
      }.joined(separator: "; ")
    }
    guard let cheaperThroughout else { return "no crossover in range: they cost the same" }
    return "no crossover in range: \(cheaperThroughout.name) is cheaper"
  }
}

/// Whether `hybrid` keeps up with the better of copying and mapping at one size.
struct HybridCheck: Sendable {
  let ring: RingLayout
  let direction: DMADirection
  let placement: PlacementClass
  let bytes: Int
  /// The cheaper of the two at this size.
  let better: DMAPath
  /// Hybrid's time by that path's, slice by slice of the same round.
  let ratioToBetter: Estimate

  var row: ResultRow {
    var row = ResultRow(.hybridCheck)
    (row.ring, row.path, row.direction, row.bytes) = (ring, .hybrid, direction, bytes)
    row.labels = ["better": better.name]
    row.placement = PlacementFigure(placement, nil)
    row.figures = [ResultFigure("ratioToBetter", unit: "1", ratioToBetter)]
    return row
  }
}

/// Everything `ringbench sweep` found.
package struct SweepReport: SlicedReport {
  let machine: Machine
  let parameters: CostParameters
  package let results: [ResultRow]
  package let crossovers: [PathPair]
  package let slicesDroppedBy: [DropReason: Int]
  package let disturbed: Bool
  package let interrupted: Bool
  package var memory: [MemoryPlacement] = []
  /// The class to show: the one with most slices.
  package let mainClass: PlacementClass?
  /// Where hybrid's threshold comes from; nothing when it was given or is not needed.
  private let hybrid: HybridOutcome

  /// What a run says whose cases are the rings of `keys`, then those of `primitives`.
  ///
  /// For what was `refused` no ring was made.
  package init(
    machine: Machine, parameters: CostParameters, keys: [CostKey], primitives: [PrimitiveKey],
    refused: [(key: CostKey, reason: String)], run: PairedRun, hybridCalibration: HybridOutcome
  ) {
    (self.machine, self.parameters) = (machine, parameters)
    let analysis = SweepAnalysis(parameters: parameters, keys: keys, primitives: primitives, run: run)
    let refusals = refused.map { key, reason in
      var row = ResultRow(.refused)
      (row.ring, row.path, row.direction, row.bytes, row.note) = (key.ring, key.path, key.direction, key.bytes, reason)
      return row
    }
    // Hybrid's checks are there where it was measured beside the two paths it is made of, `shadow` and `iommu-strict`.
    results = analysis.rows() + refusals + analysis.primitiveRows + analysis.hybridChecks().map(\.row)
    crossovers = analysis.pairs()
    slicesDroppedBy = DropReason.counts(run.sorter.reasons)
    (disturbed, interrupted) = (run.sorter.isDisturbed, run.run.interrupted)
    (hybrid, mainClass) = (hybridCalibration, run.mainClass)
  }

  package var emptiness: String? {
    results.contains { $0.kind == .path } ? nil : Lines.nothing(slicesDroppedBy)
  }
  package var seed: UInt64? { parameters.seed }

  func complete(_ document: inout ResultDocument) throws(BenchError) {
    document.crossovers = crossovers.map(\.crossover)
    document.memory = memory
    try document.add(hybrid, rows: results)
  }
}

import BenchPlan
import RingKit

extension Crossover {
  /// Of two paths over so many sizes, with what their own costs predict, where one copies and the other maps.
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
    meetings = finding.crossovers.map { crossover in
      let (below, above) = crossover.firstIsCheaperBelow ? (key.path, second) : (second, key.path)
      return Meeting(
        bytes: crossover.bytes.rounded, between: [crossover.between.lowerBound, crossover.between.upperBound],
        cheaperBelow: below, cheaperAbove: above)
    }
    predictedBytes = prediction?.formula.bytes.map { Rounded.value($0) }
    predictedBytesWithSearch = prediction?.withOverhead.bytes.map { Rounded.value($0) }
    predicted = prediction.map { [Self.text($0.formula), Self.text($0.withOverhead)] }
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

  /// One line for people, without the names.
  package var sentence: String {
    guard meetings.isEmpty else {
      return meetings.map {
        "\($0.cheaperBelow.name) below, \($0.cheaperAbove.name) above \(grouped(Int($0.bytes.median))) bytes"
      }.joined(separator: "; ")
    }
    guard let cheaperThroughout else { return "no crossover in range: they cost the same" }
    return "no crossover in range: \(cheaperThroughout.name) is cheaper"
  }
}

/// Everything `ringbench sweep` found.
package struct SweepReport: SlicedReport {
  let machine: Machine
  let parameters: CostParameters
  package let results: [ResultRow]
  package let crossovers: [Crossover]
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
    results = analysis.rows() + refusals + analysis.primitiveRows + analysis.hybridChecks()
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
    document.crossovers = crossovers
    document.memory = memory
    try document.add(hybrid, rows: results)
  }
}

import BenchHarness
import BenchPaths
import RingKit

/// One combination of a sweep in one class: measured, or refused by the path.
package struct SweepRow: Encodable, Sendable {
  let ring: RingLayout
  package let path: DMAPath
  package let direction: DMADirection
  package let bytes: Int
  /// The path's own words.
  @Null var refused: String?
  // Missing where the size was refused.
  package var placement: PlacementFigure?
  package var nsPerBuffer: Estimate?
  var buffersPerSecond: Estimate?
  /// Payload bytes that went through in a second.
  var bytesPerSecond: Estimate?
  var ratioToDirect: Null<Estimate>?
  var percentOfDirect: Null<Estimate>?
  var slicesKept: Int?
  var slicesDropped: Int?
  var counters: [String: Double]?
  var price: String?
  var injected: Bool?
}

extension SweepRow {
  init(_ row: CostRow) {
    self.init(
      ring: row.ring, path: row.path, direction: row.direction, bytes: row.bytes, refused: nil,
      placement: row.placement,
      nsPerBuffer: row.nsPerBuffer, buffersPerSecond: row.buffersPerSecond,
      bytesPerSecond: row.nsPerBuffer.reciprocal(times: 1e9 * Double(row.bytes)),
      ratioToDirect: Null(wrappedValue: row.ratioToDirect),
      percentOfDirect: Null(wrappedValue: row.ratioToDirect?.reciprocal(times: 100)), slicesKept: row.slicesKept,
      slicesDropped: row.slicesDropped, counters: row.counters, price: row.price, injected: row.injected)
  }
}

/// Two paths over all sizes, on one ring, in one direction and one placement class.
package struct PathPair: Encodable, Sendable {
  /// A size at which one overtakes the other.
  package struct Meeting: Encodable, Sendable {
    package let bytes: Estimate
    let between: [Int]
    package let cheaperBelow: DMAPath
    let cheaperAbove: DMAPath
  }

  /// What their own costs predict, where one copies and the other maps.
  package struct Prediction: Encodable, Sendable {
    @Null package var bytes: Double?
    @Null package var bytesWithOverhead: Double?
    let formula: String
    /// Both, for people.
    let texts: [String]

    private enum CodingKeys: CodingKey { case bytes, bytesWithOverhead, formula }
  }

  let ring: RingLayout
  package let direction: DMADirection
  package let placement: PlacementClass
  package let paths: [DMAPath]
  /// The smallest and the largest at which both were measured.
  let sizes: [Int]
  private let outcome: String
  /// The path that is cheaper at every size that tells, if there is one.
  @Null private var cheaperThroughout: DMAPath?
  package let crossovers: [Meeting]
  @Null package var predicted: Prediction?

  init(
    _ key: CostKey, _ second: DMAPath, _ placement: PlacementClass, sizes: [Int], _ finding: CrossoverFinding,
    _ prediction: (formula: CrossoverPrediction, withOverhead: CrossoverPrediction)?
  ) {
    (ring, direction, paths) = (key.ring, key.direction, [key.path, second])
    (self.placement, self.sizes) = (placement, sizes)
    outcome = finding.crossovers.isEmpty ? "no crossover in range" : "crossover"
    switch finding.cheaper {
    case .first: cheaperThroughout = key.path
    case .second: cheaperThroughout = second
    case .neither: cheaperThroughout = nil
    }
    crossovers = finding.crossovers.map { crossover in
      let (below, above) = crossover.firstIsCheaperBelow ? (key.path, second) : (second, key.path)
      return Meeting(
        bytes: crossover.bytes, between: [crossover.between.lowerBound, crossover.between.upperBound],
        cheaperBelow: below, cheaperAbove: above)
    }
    if let (formula, withOverhead) = prediction {
      predicted = Prediction(
        bytes: formula.bytes.map { Rounded.value($0) }, bytesWithOverhead: withOverhead.bytes.map { Rounded.value($0) },
        formula: "bandwidth x (t_map + t_unmap) / \(copies)", texts: [Self.text(formula), Self.text(withOverhead)])
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

  /// One line for people, without the names.
  package var sentence: String {
    guard crossovers.isEmpty else {
      return crossovers.map {
        "\($0.cheaperBelow.name) below, \($0.cheaperAbove.name) above \(grouped(Int($0.bytes.median))) bytes"
      }.joined(separator: "; ")
    }
    guard let cheaperThroughout else { return "no crossover in range: they cost the same" }
    return "no crossover in range: \(cheaperThroughout.name) is cheaper"
  }
}

/// What one thing costs without a ring, in one placement class.
struct PrimitiveRow: Encodable, Sendable {
  let name: String
  @Null var path: DMAPath?
  let bytes: Int
  let placement: PlacementClass
  let ns: Estimate
}

/// Whether `hybrid` keeps up with the better of copying and mapping at one size.
struct HybridCheck: Encodable, Sendable {
  let ring: RingLayout
  let direction: DMADirection
  let placement: PlacementClass
  let bytes: Int
  /// The cheaper of the two at this size.
  let better: DMAPath
  /// Hybrid's time by that path's, slice by slice of the same round.
  let ratioToBetter: Estimate
  let within5Percent: Bool
}

/// Everything `ringbench sweep` found.
package final class SweepReport: Encodable {
  private var schema = 1
  let machine: Machine
  let parameters: CostParameters
  package let results: [SweepRow]
  package let crossovers: [PathPair]
  let primitives: [PrimitiveRow]
  /// Empty unless `hybrid` was measured beside the two paths it is made of, `shadow` and `iommu-strict`.
  let hybrid: [HybridCheck]
  package let slicesDroppedBy: [DropReason: Int]
  package let disturbed: Bool
  package let interrupted: Bool
  package var memory: [MemoryPlacement] = []
  /// Where hybrid's threshold comes from; nothing when it was given or is not needed.
  private let hybridCalibration: [HybridFinding]
  private let hybridUncalibrated: [HybridGap]
  /// The class to show: the one with most slices.
  package let mainClass: PlacementClass?
  /// What must be said about hybrid's rows.
  package let hybridWarning: String?

  /// What a run says whose cases are the rings of `keys`, then those of `primitives`.
  ///
  /// For what was `refused` no ring was made.
  package init(
    machine: Machine, parameters: CostParameters, keys: [CostKey], primitives: [PrimitiveKey],
    refused: [(key: CostKey, reason: String)], run: PairedRun, hybridCalibration: HybridOutcome
  ) {
    self.machine = machine
    self.parameters = parameters
    let analysis = SweepAnalysis(parameters: parameters, keys: keys, primitives: primitives, run: run)
    results =
      analysis.rows()
      + refused.map { key, reason in
        SweepRow(ring: key.ring, path: key.path, direction: key.direction, bytes: key.bytes, refused: reason)
      }
    self.primitives = analysis.primitiveTimes.map { key, placement, time in
      PrimitiveRow(name: key.name, path: key.path, bytes: key.bytes, placement: placement, ns: time)
    }
    crossovers = analysis.pairs()
    hybrid = analysis.hybridChecks()
    slicesDroppedBy = DropReason.counts(run.sorter.reasons)
    disturbed = run.sorter.isDisturbed
    interrupted = run.run.interrupted
    mainClass = run.mainClass
    self.hybridCalibration = hybridCalibration.findings
    hybridUncalibrated = hybridCalibration.gaps
    hybridWarning = hybridCalibration.warning(rows: hybrid.map { ($0.ring, $0.placement) })
  }

  package var measuredClasses: [PlacementClass] { results.compactMap(\.placement?.class) }
  package var emptiness: String? { measuredClasses.isEmpty ? Lines.nothing(slicesDroppedBy) : nil }
  package var caution: String? { disturbed ? Lines.disturbed : nil }

  private enum CodingKeys: CodingKey {
    case schema, machine, parameters, results, crossovers, primitives, hybrid, slicesDroppedBy, disturbed, interrupted
    case memory, hybridCalibration, hybridUncalibrated
  }
}

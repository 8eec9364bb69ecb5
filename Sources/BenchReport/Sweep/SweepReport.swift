import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// Everything `ringbench sweep` found.
package struct SweepReport: Sendable {
  package let machine: Machine
  package let parameters: CostParameters
  package let rows: [SweepRow]
  package let pairs: [PathPair]
  package let primitives: [PrimitiveRow]
  /// Empty unless `hybrid` was measured beside the two paths it is made of, `shadow` and `iommu-strict`.
  package let hybrid: [HybridCheck]
  package let slicesDroppedBy: [DropReason: Int]
  package let disturbed: Bool
  package let interrupted: Bool
  /// The class to show: the one with most slices.
  package let mainClass: PlacementClass?
  package var memory: [MemoryPlacement] = []
  /// Where hybrid's threshold comes from; nothing when it was given or is not needed.
  package let hybridCalibration: HybridOutcome

  /// What a run says whose contenders are the rings of `keys`, then those of `primitives`.
  ///
  /// For what was `refused` no ring was made.
  package init(
    machine: Machine, parameters: CostParameters, keys: [CostKey], primitives: [PrimitiveKey],
    refused: [(key: CostKey, reason: String)], run: PairedRun, hybridCalibration: HybridOutcome
  ) {
    self.machine = machine
    self.parameters = parameters
    let analysis = SweepAnalysis(parameters: parameters, keys: keys, primitives: primitives, run: run)
    rows = analysis.rows() + refused.map { SweepRow(key: $0.key, result: .refused($0.reason)) }
    self.primitives = analysis.primitiveRows
    pairs = analysis.pairs()
    hybrid = analysis.hybridChecks()
    slicesDroppedBy = run.sorter.reasons
    disturbed = run.sorter.isDisturbed
    interrupted = run.run.interrupted
    mainClass = run.mainClass
    self.hybridCalibration = hybridCalibration
  }

  /// What must be said about hybrid's rows.
  package var hybridWarning: String? {
    hybridCalibration.warning(rows: hybrid.map { ($0.ring, $0.placement) })
  }

  /// Whether hybrid was never more than 5 % dearer than the better one; `nil` where it was not compared.
  package func hybridHolds(_ placement: PlacementClass) -> Bool? {
    let checks = hybrid.filter { $0.placement == placement }
    return checks.isEmpty ? nil : checks.allSatisfy(\.holds)
  }
}

extension SweepReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, memory, results, crossovers, primitives, hybrid, hybridCalibration
    case hybridUncalibrated, interrupted, disturbed, slicesDroppedBy
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(1, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(memory, forKey: .memory)
    try values.encode(rows, forKey: .results)
    try values.encode(pairs, forKey: .crossovers)
    try values.encode(primitives, forKey: .primitives)
    try values.encode(hybrid, forKey: .hybrid)
    try values.encode(hybridCalibration.findings, forKey: .hybridCalibration)
    try values.encode(hybridCalibration.gaps, forKey: .hybridUncalibrated)
    try values.encode(disturbed, forKey: .disturbed)
    try values.encode(interrupted, forKey: .interrupted)
    try values.encode(DropReason.counts(slicesDroppedBy), forKey: .slicesDroppedBy)
  }
}

import BenchHarness
import BenchPaths
import RingKit

/// One result: one path on one ring, for one direction, size and placement class.
package struct CostRow: Encodable, Sendable {
  var ring: RingLayout
  package var path: DMAPath
  var direction: DMADirection
  var bytes: Int
  var depth: Int
  var batch: Int
  var placement: PlacementFigure
  var nsPerBuffer: Estimate
  var buffersPerSecond: Estimate
  /// The path's time by direct's, slice by slice of the same round: 1 is the same, 2 costs twice as much.
  ///
  /// Of too few such rounds the times themselves are compared; `nil` when no slice of direct was kept in the class.
  @Null var ratioToDirect: Estimate?
  /// The same by swiotlb's; `nil` where that was not measured.
  @Null var ratioToSwiotlb: Estimate?
  var slicesKept: Int
  var slicesDropped: Int
  /// Work per buffer, by the names of ``RingKit/WorkEvent``, and figures of the path's own such as
  /// `poolHighWaterSlots`.
  var counters: [String: Double]
  /// What was paid where a path has more than one price: `process` or `injected` for viommu.
  var price: String?
  /// Whether a price that cannot be measured here was added.
  var injected = false
  /// The device was another process, which had mapped the shared pages and nothing else.
  var isolated = false
}

extension CostRow {
  /// A case's row in one class, `nil` of too few slices.
  ///
  /// `baseline` and `bounce` are the numbers of direct's case and swiotlb's.
  package init?(
    _ number: Int, _ key: CostKey, baseline: Int?, bounce: Int?, _ placement: PlacementClass, _ run: PairedRun,
    _ parameters: CostParameters
  ) {
    guard let time = run.time(number, placement) else { return nil }
    let slices = run.sorter.kept(number, placement)
    let roundTrip = Percentile.median(slices.map(\.conditions.roundTrip)) ?? 0
    let ratio = { (base: Int?) in base == number ? .exactly(1) : base.flatMap { run.ratio(number, to: $0, placement) } }
    self.init(
      ring: key.ring, path: key.path, direction: key.direction, bytes: key.bytes, depth: parameters.depth,
      batch: parameters.batch, placement: PlacementFigure(placement, roundTrip), nsPerBuffer: time,
      buffersPerSecond: time.reciprocal(times: 1e9), ratioToDirect: ratio(baseline), ratioToSwiotlb: ratio(bounce),
      slicesKept: slices.count,
      slicesDropped: run.sorter.dropped[number], counters: Self.rounded(run.run.counters[number]),
      price: parameters.iommu.price(of: key.path), injected: parameters.iommu.isInjected(key.path),
      isolated: key.isolated)
  }

  static func rounded(_ counters: [String: Double]?) -> [String: Double] {
    (counters ?? [:]).mapValues { Rounded.value($0, digits: 6) }
  }
}

/// Everything `ringbench cost` found.
package final class CostReport: Encodable {
  private var schema = 1
  let machine: Machine
  let parameters: CostParameters
  package let results: [CostRow]
  let slicesDroppedBy: [DropReason: Int]
  /// Where ring and payload lay.
  package var memory: [MemoryPlacement] = []
  /// Where hybrid's threshold comes from; nothing when it was given or is not needed.
  private let hybridCalibration: [HybridFinding]
  private let hybridUncalibrated: [HybridGap]
  /// So many slices were disturbed that these had to count, too.
  let disturbed: Bool
  /// Ended by Ctrl-C: what is here is what there was by then.
  package let interrupted: Bool
  private(set) var answer = ""
  /// What must be said about hybrid's rows.
  package let hybridWarning: String?

  package init(
    machine: Machine, parameters: CostParameters, rows: [CostRow], slicesDroppedBy: [DropReason: Int],
    hybridCalibration: HybridOutcome = HybridOutcome(), disturbed: Bool = false, interrupted: Bool
  ) {
    self.machine = machine
    self.parameters = parameters
    results = rows
    self.slicesDroppedBy = DropReason.counts(slicesDroppedBy)
    self.hybridCalibration = hybridCalibration.findings
    hybridUncalibrated = hybridCalibration.gaps
    self.disturbed = disturbed
    self.interrupted = interrupted
    hybridWarning = hybridCalibration.warning(
      rows: rows.filter { $0.path == .hybrid }.map { ($0.ring, $0.placement.class) })
    answer = mainClass.map { AnswerSentence.text(for: self, in: $0) } ?? AnswerSentence.nothing
  }

  private enum CodingKeys: CodingKey {
    case schema, machine, parameters, results, slicesDroppedBy, memory, hybridCalibration, hybridUncalibrated, disturbed
    case interrupted, answer
  }

  /// The class to show: the one with most slices.
  var mainClass: PlacementClass? { PlacementClass.main(results.map { ($0.placement.class, $0.slicesKept) }) }

  package var measuredClasses: [PlacementClass] { results.map(\.placement.class) }
  package var emptiness: String? { results.isEmpty ? Lines.nothing(slicesDroppedBy) : nil }
  package var caution: String? { disturbed ? Lines.disturbed : nil }
}

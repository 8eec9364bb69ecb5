import BenchPlan
import RingIOMMU
import RingKit

extension ResultRow {
  /// A case's row in one class, `nil` of too few slices.
  ///
  /// `baseline` and `bounce` are the numbers of direct's case and swiotlb's.
  package init?(
    _ number: Int, _ key: CostKey, baseline: Int?, bounce: Int?, _ placement: PlacementClass, _ run: PairedRun,
    _ parameters: CostParameters
  ) {
    self.init(.path)
    guard setTimes(number, placement, run) else { return nil }
    (ring, path, direction, bytes) = (key.ring, key.path, key.direction, key.bytes)
    (depth, batch) = (parameters.depth, parameters.batch)
    let ratio = { (base: Int?) -> Estimate? in
      base == number ? .exactly(1) : base.flatMap { run.ratio(number, to: $0, placement) }
    }
    (ratioToDirect, ratioToSwiotlb) = (ratio(baseline)?.rounded, ratio(bounce)?.rounded)
    counters = Self.rounded(run.run.counters[number])
    price = parameters.iommu.price(of: key.path)
    injected = parameters.iommu.isInjected(key.path)
    isolated = key.isolated
  }

  /// The times of a case in one class with the slices behind them; false of too few.
  mutating func setTimes(_ number: Int, _ placement: PlacementClass, _ run: PairedRun) -> Bool {
    guard let time = run.time(number, placement) else { return false }
    (nsPerBuffer, buffersPerSecond) = (time.rounded, time.reciprocal(times: 1e9).rounded)
    let slices = run.sorter.all(number, placement).map { record, reason in
      SliceSample(
        round: record.round, nsPerBuffer: Rounded.value(record.nanosecondsPerBuffer, digits: 6),
        roundTripNs: record.conditions.roundTripBefore > 0 && record.conditions.roundTripAfter > 0
          ? Rounded.value(record.conditions.roundTrip) : nil, dropped: reason)
    }
    self.slices = slices
    slicesKept = slices.count { $0.dropped == nil }
    slicesDropped = slices.count { $0.dropped != nil }
    let roundTrips = run.sorter.kept(number, placement).map(\.conditions.roundTrip)
    self.placement = PlacementFigure(placement, Rounded.value(Percentile.median(roundTrips) ?? 0))
    return true
  }

  static func rounded(_ counters: [String: Double]?) -> [String: Double] {
    (counters ?? [:]).mapValues { Rounded.value($0, digits: 6) }
  }
}

/// Everything `ringbench cost` found.
package struct CostReport: SlicedReport {
  let machine: Machine
  let parameters: CostParameters
  let results: [ResultRow]
  let slicesDroppedBy: [DropReason: Int]
  /// Where ring and payload lay.
  package var memory: [MemoryPlacement] = []
  /// Where hybrid's threshold comes from; nothing when it was given or is not needed.
  private let hybrid: HybridOutcome
  /// So many slices were disturbed that these had to count, too.
  let disturbed: Bool
  package let interrupted: Bool

  package init(
    machine: Machine, parameters: CostParameters, rows: [ResultRow], slicesDroppedBy: [DropReason: Int],
    hybridCalibration: HybridOutcome = HybridOutcome(), disturbed: Bool = false, interrupted: Bool
  ) {
    (self.machine, self.parameters, results) = (machine, parameters, rows)
    self.slicesDroppedBy = DropReason.counts(slicesDroppedBy)
    (hybrid, self.disturbed, self.interrupted) = (hybridCalibration, disturbed, interrupted)
  }

  package var emptiness: String? { results.isEmpty ? Lines.nothing(slicesDroppedBy) : nil }
  package var seed: UInt64? { parameters.seed }

  func complete(_ document: inout ResultDocument) throws(BenchError) {
    document.memory = memory
    try document.add(hybrid, rows: results)
  }

  func answer(_ document: ResultDocument) -> String? { Answer.sentence(document) }
}

extension ResultDocument {
  /// Where hybrid's thresholds come from, and what must be said of its rows.
  mutating func add(_ outcome: HybridOutcome, rows: [ResultRow]) throws(BenchError) {
    results += outcome.findings.flatMap(\.rows)
    if !outcome.gaps.isEmpty {
      details = (details ?? [:]).merging(["hybridUncalibrated": try JSONValue.of(outcome.gaps)]) { $1 }
    }
    let hybrid = rows.filter { $0.path == .hybrid && $0.kind == .path }
    warn(
      .hybrid,
      outcome.warning(
        rows: hybrid.compactMap { row in row.ring.flatMap { ring in row.placement.map { (ring, $0.class) } } }))
  }

  /// What every measurement may have to say of its times.
  package mutating func addCautions(disturbed: Bool = false, interrupted: Bool) {
    if interrupted { warn(.interrupted, Lines.interrupted) }
    if disturbed { warn(.disturbed, Lines.disturbed) }
    let injected = results.filter { $0.injected == true }.compactMap { $0.path?.name }
    if let name = injected.first { warn(.injected, "the times of \(name) hold a price that was given, not measured") }
    for text in MixedClass.texts(results) { warn(.mixed, text) }
  }
}

extension HybridFinding {
  /// What the two paths it is made of cost, a row each, with the threshold that follows.
  fileprivate var rows: [ResultRow] {
    calibration.samples.map { sample in
      var row = ResultRow(.hybridCalibration)
      (row.ring, row.direction, row.bytes) = (ring, sample.direction, sample.byteCount)
      row.labels = ["taken": occasion.rawValue]
      row.placement = PlacementFigure(placement, Rounded.value(roundTrip))
      row.slicesKept = nil
      row.figures = [
        ResultFigure("thresholdBytes", unit: "bytes", exactly: Double(calibration.threshold[sample.direction])),
        ResultFigure("shadowNs", unit: "ns", sample.copyNanoseconds, digits: 4),
        ResultFigure("iommuStrictNs", unit: "ns", sample.mapNanoseconds, digits: 4),
        ResultFigure("slices", unit: "1", Double(slices)),
      ]
      return row
    }
  }
}

/// A report that becomes a document once its run is over.
package protocol MeasuredReport {
  /// Ended by a signal: what is here is what there was by then.
  var interrupted: Bool { get }
  /// Why there is nothing to show, and what to change; `nil` where there is something.
  var emptiness: String? { get }
  /// Of everything random.
  var seed: UInt64? { get }
  func document(_ run: RunRecord) throws(BenchError) -> ResultDocument
}

/// One whose text needs neither a document nor a class to show.
package protocol TextReport: MeasuredReport {
  func text() -> String
}

extension MeasuredReport {
  package var emptiness: String? { nil }
  package var seed: UInt64? { nil }
}

/// A report of what was timed in slices.
protocol SlicedReport: MeasuredReport {
  associatedtype Parameters: Encodable

  var machine: Machine { get }
  var parameters: Parameters { get }
  var results: [ResultRow] { get }
  var slicesDroppedBy: [DropReason: Int] { get }
  /// So many slices were disturbed that these had to count, too.
  var disturbed: Bool { get }

  /// Adds what only this report has.
  func complete(_ document: inout ResultDocument) throws(BenchError)
  /// The answer of a document that is complete; `nil` of a report that has none.
  func answer(_ document: ResultDocument) -> String?
}

extension SlicedReport {
  func complete(_ document: inout ResultDocument) {}

  func answer(_ document: ResultDocument) -> String? { nil }

  package func document(_ run: RunRecord) throws(BenchError) -> ResultDocument {
    var document = ResultDocument(run: run, machine: machine)
    document.parameters = try JSONValue.of(parameters).object ?? [:]
    document.results = results
    document.slicesDroppedBy = slicesDroppedBy
    try complete(&document)
    document.addCautions(disturbed: disturbed, interrupted: interrupted)
    document.answer = answer(document)
    return document
  }
}

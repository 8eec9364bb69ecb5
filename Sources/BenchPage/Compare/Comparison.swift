import BenchDocument
import Glibc
import RingKit

/// Two sides, each of one run or several, row by row.
package struct Comparison: Codable, Equatable, Sendable {
  /// How a row of B does beside the same row of A.
  package enum Verdict: String, Codable, CaseIterable, Sendable {
    case faster
    case slower
    /// No difference beyond the threshold that is more than chance.
    case same = "~"
    case notComparable = "not comparable"
  }

  package struct Row: Codable, Equatable, Sendable {
    package let name: String
    let ring: RingLayout?
    let path: DMAPath?
    let direction: DMADirection?
    let bytes: Int?
    let isolated: Bool?
    let labels: [String: String]
    let placement: PlacementClass
    /// Medians over all runs of a side, in nanoseconds.
    let nsOfA: Double?
    let nsOfB: Double?
    /// B's time by A's: above 1 B is slower.
    let timeRatio: Estimate?
    /// The same for what the times are compared with in their own run: direct, a ring's floor, or for direct all other
    /// rows.
    let relativeRatio: Estimate?
    /// The largest run's median by the smallest's, less 1; with several runs on a side.
    let spreadOfA: Double?
    let spreadOfB: Double?
    /// The larger one of both ratios' tests, corrected for the number of rows (Holm).
    let p: Double?
    var verdict: Verdict
    /// What differs, where rows cannot be compared.
    let reason: String?
  }

  var schema = ResultDocument.schemaNumber
  let sideA: [String]
  let sideB: [String]
  /// Relative; as asked for.
  let threshold: Double
  /// Raised to what these runs differ by without a cause.
  let appliedThreshold: Double
  let rows: [Row]

  package func rows(_ verdict: Verdict) -> [Row] { rows.filter { $0.verdict == verdict } }
}

/// One side of a comparison.
package struct ComparedSide: Sendable {
  let names: [String]
  package let runs: [ResultDocument]

  package init(_ runs: [(name: String, document: ResultDocument)]) {
    (names, self.runs) = (runs.map(\.name), runs.map(\.document))
  }
}

/// Compares rows of two sides.
package struct Comparer {
  private static let significance = 0.05
  /// From so many rows on, what runs differ by without a cause is read off the rows themselves.
  private static let telling = 12

  private let a: ComparedSide
  private let b: ComparedSide
  private let threshold: Double
  private let seed: UInt64

  package init(_ a: ComparedSide, _ b: ComparedSide, threshold: Double, seed: UInt64 = 1) throws(BenchError) {
    (self.a, self.b, self.threshold, self.seed) = (a, b, threshold, seed)
    guard let first = a.runs.first else { throw .usage("there is nothing to compare with") }
    for (name, run) in zip(a.names + b.names, a.runs + b.runs).dropFirst() {
      if let difference = ComparedParameters.difference(first, run) {
        throw .machine("\(a.names[0]) and \(name) cannot be compared: \(difference)")
      }
    }
  }

  package func compare() throws(BenchError) -> Comparison {
    let pairs = pairs()
    guard !pairs.isEmpty else {
      throw .check("no row has times on both sides; compare runs of cost, sweep or ring with the same rings and paths")
    }
    // Two files of one run have the same slices: each is compared with itself.
    let isOneRun = a.runs.count == 1 && b.runs.count == 1 && a.runs[0].run == b.runs[0].run
    var samples = pairs.map { RowSamples($0, a, b, isOneRun: isOneRun) }
    setSpeed(&samples)
    let tests = samples.map { $0.reason == nil ? $0.p : nil }
    let corrected = TwoSampleTest.holm(tests.compactMap { $0 })
    var next = corrected.makeIterator()
    let applied = max(threshold, noise(samples))
    let rows = zip(samples, tests).map { sample, test in
      sample.row(seed: seed, p: test == nil ? nil : next.next(), threshold: applied, significance: Self.significance)
    }
    return Comparison(
      sideA: a.names, sideB: b.names, threshold: threshold, appliedThreshold: Rounded.value(applied), rows: rows)
  }

  /// What there is on either side, in A's order and then B's.
  private func pairs() -> [RowPair] {
    var pairs: [RowPair] = []
    for row in (a.runs + b.runs).flatMap(\.results)
    where [.path, .ring, .scale].contains(row.kind) && row.nsPerBuffer != nil {
      guard let placement = row.placement?.class else { continue }
      if !pairs.contains(where: { $0.identity == row.identity && $0.placement == placement }) {
        pairs.append(RowPair(identity: row.identity, placement: placement, example: row))
      }
    }
    return pairs
  }

  /// Direct has nothing beside it that stays the same but the other rows of its run: their common speed.
  private func setSpeed(_ samples: inout [RowSamples]) {
    let ratios = samples.filter { !$0.isReference }.compactMap(\.plainTimeRatio)
    guard let speed = Percentile.median(ratios), speed > 0 else { return }
    for number in samples.indices where samples[number].isReference { samples[number].speed = speed }
  }

  /// Three standard deviations of what rows differ by without a cause.
  ///
  /// Read off the quarter of the rows that differ least, which a change of most of the others does not touch.
  private func noise(_ samples: [RowSamples]) -> Double {
    let logs = samples.filter { $0.reason == nil && !$0.isReference }.compactMap { sample in
      sample.plainRelativeRatio.map { abs(log($0)) }
    }
    guard logs.count >= Self.telling, let quarter = Percentile.value(0.25, of: logs) else { return 0 }
    // A quarter of a normal distribution lies within 0.3186 standard deviations.
    return exp(3 * quarter / 0.3186) - 1
  }
}

/// A row by what it is about, on whatever side.
struct RowPair {
  let identity: ResultRow.Identity
  let placement: PlacementClass
  let example: ResultRow
}

/// Everything the two sides have of one row.
private struct RowSamples {
  private let pair: RowPair
  /// Nanoseconds of the slices that count, run by run.
  private let timesA: [[Double]]
  private let timesB: [[Double]]
  /// The same by the reference's of the same round.
  private let relativesA: [[Double]]
  private let relativesB: [[Double]]
  private let mediansA: [Double]
  private let mediansB: [Double]
  private let isOneRun: Bool
  let isReference: Bool
  /// B's by A's of all other rows, for what has no other reference.
  var speed = 1.0
  let reason: String?

  init(_ pair: RowPair, _ a: ComparedSide, _ b: ComparedSide, isOneRun: Bool) {
    (self.pair, self.isOneRun) = (pair, isOneRun)
    let finder = RowFinder(pair)
    isReference = finder.isReference
    (timesA, relativesA, mediansA) = finder.samples(a)
    (timesB, relativesB, mediansB) = finder.samples(b)
    let enough = { (runs: [[Double]]) in runs.reduce(0) { $0 + $1.count } >= PairedRun.fewestSlices }
    let (rowA, rowB) = (finder.first(a), finder.first(b))
    reason =
      if mediansA.isEmpty || mediansB.isEmpty {
        "only in \(mediansB.isEmpty ? "A" : "B")"
      } else if let difference = Self.difference(rowA, rowB, a, b) {
        difference
      } else if timesA.isEmpty || timesB.isEmpty {
        "no raw slices (schema 1)"
      } else if !enough(timesA) || !enough(timesB) {
        "fewer than \(PairedRun.fewestSlices) slices"
      } else if !finder.isReference, !enough(relativesA) || !enough(relativesB) {
        "fewer than \(PairedRun.fewestSlices) slices beside \(pair.identity.kind == .ring ? "the floor" : "direct")"
      } else {
        nil
      }
  }

  private static func difference(_ rowA: ResultRow?, _ rowB: ResultRow?, _ a: ComparedSide, _ b: ComparedSide)
    -> String?
  {
    guard let rowA, let rowB else { return nil }
    let injected = (rowA.injected ?? false, rowB.injected ?? false)
    if injected.0 != injected.1 || rowA.price != rowB.price {
      return "price: \(rowA.price ?? "none") and \(rowB.price ?? "none")"
    }
    if injected.0 {
      let prices = [a, b].map { $0.runs.first?.parameters["viommuNanoseconds"]?.text ?? "?" }
      if prices[0] != prices[1] { return "injected price: \(prices[0]) and \(prices[1]) ns" }
    }
    let models = Set((a.runs + b.runs).map(\.machine.cpuModel))
    return models.count > 1 ? "CPU: \(models.sorted().joined(separator: " and "))" : nil
  }

  var plainTimeRatio: Double? { Self.ratio(mediansB, mediansA) }

  var plainRelativeRatio: Double? {
    Self.ratio(relativesB.compactMap { Percentile.median($0) }, relativesA.compactMap { Percentile.median($0) })
  }

  private static func ratio(_ b: [Double], _ a: [Double]) -> Double? {
    guard let above = Percentile.median(b), let below = Percentile.median(a), below > 0 else { return nil }
    return above / below
  }

  /// The larger one of the tests of the times and of what they are compared with.
  var p: Double? {
    let scaled = timesB.map { $0.map { $0 / speed } }
    guard let times = test(timesA, isReference ? scaled : timesB) else { return nil }
    return isReference ? times : test(relativesA, relativesB).map { max(times, $0) }
  }

  /// By ranks, or, where there are too few for them to tell, by the means of logarithms.
  private func test(_ a: [[Double]], _ b: [[Double]]) -> Double? {
    let (a, b) = (a.flatMap { $0 }, b.flatMap { $0 })
    if isOneRun, a.count == b.count {
      return TwoSampleTest.welch(zip(a, b).map { log($1 / $0) }, [0, 0])
    }
    let ranks = TwoSampleTest.mannWhitney(a, b)
    guard TwoSampleTest.leastMannWhitney(a.count, b.count) > 1e-4 else { return ranks }
    return TwoSampleTest.welch(a.map { log($0) }, b.map { log($0) }) ?? ranks
  }

  func row(seed: UInt64, p: Double?, threshold: Double, significance: Double) -> Comparison.Row {
    let identity = pair.identity
    var time = ratio(timesB, to: timesA, seed: seed)
    // Without slices the medians are all there is.
    if time == nil { time = plainTimeRatio.map { .exactly($0) } }
    let relative =
      isReference
      ? time.map { Estimate(median: $0.median / speed, low: $0.low / speed, high: $0.high / speed) }
      : ratio(relativesB, to: relativesA, seed: seed) ?? plainRelativeRatio.map { .exactly($0) }
    var row = Comparison.Row(
      name: pair.example.name, ring: identity.ring, path: identity.path, direction: identity.direction,
      bytes: identity.bytes, isolated: identity.isolated ? true : nil, labels: identity.labels,
      placement: pair.placement, nsOfA: Percentile.median(mediansA).map { Rounded.value($0) },
      nsOfB: Percentile.median(mediansB).map { Rounded.value($0) }, timeRatio: time?.rounded,
      relativeRatio: relative?.rounded, spreadOfA: Self.spread(mediansA), spreadOfB: Self.spread(mediansB),
      p: reason == nil ? p.map { Rounded.value($0) } : nil, verdict: .same, reason: reason)
    if reason != nil {
      row.verdict = .notComparable
    } else if let p, p < significance, let time, let relative {
      // Both say so: times alone follow the machine, and the ratio alone follows what it is taken to.
      let isSlower = { (ratio: Estimate) in ratio.low > 1 && ratio.median > 1 + threshold }
      let isFaster = { (ratio: Estimate) in ratio.high < 1 && ratio.median < 1 / (1 + threshold) }
      if isSlower(time), isSlower(relative) { row.verdict = .slower }
      if isFaster(time), isFaster(relative) { row.verdict = .faster }
    }
    return row
  }

  private func ratio(_ b: [[Double]], to a: [[Double]], seed: UInt64) -> Estimate? {
    let (first, second) = (a.flatMap { $0 }, b.flatMap { $0 })
    guard isOneRun, first.count == second.count, !first.isEmpty else {
      return BootstrapInterval.ratioOfMedians(b, to: a, seed: seed)
    }
    return BootstrapInterval.median(of: zip(first, second).map { $1 / $0 }, seed: seed)
  }

  private static func spread(_ medians: [Double]) -> Double? {
    guard medians.count > 1, let low = medians.min(), let high = medians.max(), low > 0 else { return nil }
    return Rounded.value(high / low - 1)
  }
}

/// Finds a row and what it is compared with in the runs of a side.
private struct RowFinder {
  private let pair: RowPair
  let isReference: Bool

  init(_ pair: RowPair) {
    self.pair = pair
    isReference =
      [.path, .scale].contains(pair.identity.kind) && pair.identity.path == .direct && !pair.identity.isolated
  }

  func first(_ side: ComparedSide) -> ResultRow? { side.runs.lazy.compactMap(row).first }

  func samples(_ side: ComparedSide) -> (times: [[Double]], relatives: [[Double]], medians: [Double]) {
    var (times, relatives, medians) = ([[Double]](), [[Double]](), [Double]())
    for run in side.runs {
      guard let row = row(run), let median = row.nsPerBuffer?.median else { continue }
      let kept = (row.slices ?? []).filter { $0.dropped == nil && $0.nsPerBuffer > 0 }
      medians.append(Percentile.median(kept.map(\.nsPerBuffer)) ?? median)
      guard row.slices != nil else { continue }
      times.append(kept.map(\.nsPerBuffer))
      guard let reference = reference(run)?.slices else { continue }
      var base: [Int: Double] = [:]
      for slice in reference where slice.dropped == nil && slice.nsPerBuffer > 0 {
        base[slice.round] = slice.nsPerBuffer
      }
      relatives.append(kept.compactMap { slice in base[slice.round].map { slice.nsPerBuffer / $0 } })
    }
    return (times, relatives, medians)
  }

  private func row(_ run: ResultDocument) -> ResultRow? {
    run.results.first { $0.placement?.class == pair.placement && $0.identity == pair.identity }
  }

  /// Direct of the same ring, direction and size; of a ring its floor, the same one on both sides.
  private func reference(_ run: ResultDocument) -> ResultRow? {
    guard !isReference else { return nil }
    var wanted = pair.identity
    if pair.identity.kind == .ring {
      wanted.kind = .floor
      wanted.labels["floor"] = pair.example.note
    } else {
      (wanted.path, wanted.isolated) = (.direct, false)
    }
    return run.results.first { $0.placement?.class == pair.placement && $0.identity == wanted }
  }
}

/// What has to be the same for two runs to be about the same thing.
enum ComparedParameters {
  /// How long and where it was measured, and of what: rows are paired by the last, and the rest does not change them.
  private static let free: Set<String> = [
    "rings", "paths", "sizes", "directions", "points", "impossible", "slices", "sliceMilliseconds", "timeLimit",
    "roundTrips", "seed", "driverCPU", "deviceCPU", "otherCPUs", "viommuPrice", "viommuNanoseconds", "isolatedPaths",
    "axes", "queueSizes", "mappings", "queueCounts", "memoryBytes", "shapes", "socket", "settings",
    "depths", "boots", "functions", "devices", "frames",
  ]

  /// In words; `nil` where they can be compared.
  static func difference(_ a: ResultDocument, _ b: ResultDocument) -> String? {
    guard a.run.subcommand == b.run.subcommand else {
      return "one is of '\(a.run.subcommand)', the other of '\(b.run.subcommand)'"
    }
    let names = Set(a.parameters.keys).union(b.parameters.keys).subtracting(free).sorted()
    // What one of them does not have is of a version that could not choose it.
    let different = names.compactMap { name -> String? in
      guard let first = a.parameters[name], let second = b.parameters[name], first != second else { return nil }
      return "\(name) \(first.text) and \(second.text)"
    }
    return different.isEmpty ? nil : different.joined(separator: ", ")
  }
}

extension ResultDocument {
  /// Refuses a run that could not be compared with this one, before it is measured.
  package func checkComparable(
    with subcommand: String, _ parameters: some Encodable, named name: String
  ) throws(BenchError) {
    var other = self
    other.run.subcommand = subcommand
    other.parameters = try JSONValue.of(parameters).object ?? [:]
    if let difference = ComparedParameters.difference(self, other) {
      throw .machine("baseline '\(name)' cannot be compared with this run: \(difference)")
    }
  }
}

import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// Finds the threshold of a ring's hybrids by the real thing: rings over `shadow` and `iommu-strict`, under the
/// conditions of the run, that take turns at each of a few sizes.
///
/// They stand in the run's schedule beside what is measured, so that they can be asked again when the CPUs come to a
/// placement that was not seen at the start. Rings of their own, and the run's payload and shadow buffers where those
/// are large enough: the pages that hybrid has. Its state belongs to the driver worker while a run lasts.
final class HybridCalibrator: @unchecked Sendable {
  /// Pairs of slices of one class, without which a size says nothing; so many rounds there are, be the machine as busy
  /// as it may.
  static let fewestPairs = 3
  /// Rounds after which no more is learned.
  static let mostRounds = 12
  static let sliceNanoseconds = 2e6

  let ring: RingLayout
  /// Pairs of `shadow` and `iommu-strict`, neighbours.
  let keys: [CostKey]
  let cases: [BenchCase]
  /// What all hybrids of the ring go by.
  let control = HybridControl(HybridThreshold(0))
  /// Nanoseconds it may take in each class, the first rounds aside.
  let patience: UInt64
  /// The shortest of the rounds so far, in nanoseconds.
  private(set) var roundNanoseconds: UInt64 = .max

  private let classify: @Sendable (_ roundTrips: [Double]) -> PlacementClassifier
  private var records: [SliceRecord] = []
  private var rounds = 0
  // Buffers of a slice, where a class needs others than the start.
  private var sizes: [PlacementClass: [Int: Int]] = [:]
  private var spent: [PlacementClass: UInt64] = [:]

  /// `keys` and `cases` are pairs of `shadow` and `iommu-strict`; `classify` tells placements by the round trips
  /// seen.
  init(
    ring: RingLayout, keys: [CostKey], cases: [BenchCase], seconds: Double,
    classify: @escaping @Sendable (_ roundTrips: [Double]) -> PlacementClassifier
  ) {
    precondition(keys.count == cases.count && keys.count.isMultiple(of: 2), "keys and cases are pairs")
    self.ring = ring
    self.keys = keys
    self.cases = cases
    self.classify = classify
    patience = UInt64(seconds * 1e9)
  }

  /// What it does, for progress and error messages.
  func title(_ placement: PlacementClass?) -> String {
    "calibrating hybrid\(placement.map { " for \($0.name)" } ?? ""), \(ring.name) ring"
  }

  // MARK: Where the CPUs are

  /// The class of a round trip; one as near to a finding's as two moods of one placement are is of that class.
  func placement(of roundTrip: Double, _ findings: [HybridFinding]) -> PlacementClass? {
    let number = HybridFinding.nearest(findings, ring, to: roundTrip)
    if let number, roundTrip > 0 {
      let ratio = roundTrip / findings[number].roundTrip
      if max(ratio, 1 / ratio) < RoundTripClusters.distinct { return findings[number].placement }
    }
    let known = findings.filter { $0.ring == ring }.map(\.roundTrip)
    return classify(known + [roundTrip]).placement(of: roundTrip)
  }

  /// The class a slice was settled in for which there is no finding.
  func unknownPlacement(_ slice: SliceConditions, _ findings: [HybridFinding]) -> PlacementClass? {
    guard slice.stolenTicks == 0, let before = placement(of: slice.roundTripBefore, findings),
      placement(of: slice.roundTripAfter, findings) == before,
      !findings.contains(where: { $0.ring == ring && $0.placement == before })
    else { return nil }
    return before
  }

  /// Nanoseconds that a class may still take.
  func budget(_ placement: PlacementClass) -> UInt64 { patience - min(patience, spent[placement, default: 0]) }

  func spend(_ nanoseconds: UInt64, on placement: PlacementClass) {
    spent[placement, default: 0] += nanoseconds
  }

  // MARK: Rounds

  /// The cases whose slices were never as long as they should be in a class.
  func unsized(_ placement: PlacementClass) -> [Int] {
    cases.indices.filter { sizes[placement]?[$0] == nil }
  }

  /// What a case's slices have now is what they should have in a class.
  func keepSize(_ benchCase: Int, _ placement: PlacementClass) {
    sizes[placement, default: [:]][benchCase] = cases[benchCase].buffersPerSlice
  }

  /// Has all slices as long as they should be in a class.
  func useSizes(_ placement: PlacementClass) {
    for (benchCase, buffers) in sizes[placement, default: [:]] { cases[benchCase].buffersPerSlice = buffers }
  }

  /// The cases in the order of the next round; of a pair now one is first and now the other.
  ///
  /// Each round begins with another pair: rounds that are broken off would leave out the same ones.
  var order: [Int] {
    keys.indices.map { turn in
      let number = (turn + 2 * rounds) % keys.count
      return rounds.isMultiple(of: 2) ? number : number ^ 1
    }
  }

  /// The number of the round that is under way.
  var round: Int { rounds }

  func add(_ record: SliceRecord) { records.append(record) }

  /// A round is over that took so long; `nil` when it was broken off.
  func endRound(_ nanoseconds: UInt64?) {
    rounds += 1
    if let nanoseconds { roundNanoseconds = min(roundNanoseconds, nanoseconds) }
  }

  // MARK: Findings

  /// What to begin with: every class that was seen enough of at all sizes, or else the one seen best.
  func firstFindings() -> [HybridFinding] {
    let all = findings()
    let complete = all.filter { $0.calibration.samples.count == keys.count / 2 }
    return complete.isEmpty ? Array(all.prefix(1)) : complete
  }

  /// What is known by now of a class that came up later; `nil` while a size is missing.
  func laterFinding(_ placement: PlacementClass) -> HybridFinding? {
    guard var finding = findings().first(where: { $0.placement == placement }),
      finding.calibration.samples.count == keys.count / 2
    else { return nil }
    finding.occasion = .later
    return finding
  }

  private func findings() -> [HybridFinding] { Self.findings(keys, sorter) }

  private var sorter: SliceSorter {
    let conditions = records.map(\.conditions)
    let classifier = classify(conditions.flatMap { [$0.roundTripBefore, $0.roundTripAfter] })
    return SliceSorter(records, cases: keys.count, minimum: Self.fewestPairs, classifier: classifier)
  }

  /// Why hybrid is left out: nothing was found.
  var refusal: String {
    "hybrid on the \(ring.name) ring is left out, its threshold could not be measured"
      + "\(records.isEmpty ? " in time" : ""); try again, or give it with --hybrid-threshold"
  }
}

extension HybridCalibrator {
  /// The smallest and the largest buffers looked at, whatever sizes are measured.
  private static let smallest = 256
  private static let largest = 65_536
  /// Larger ones than this would take too long.
  private static let ceiling = 524_288
  private static let mostBytes = 256 << 20
  private static let secondsForAllRings = 2.0

  /// One for a run of `parameters`.
  ///
  /// `guest` is that of the calibrators of all rings; it is set up where there is none yet, in the memory of `lender`
  /// as far as that goes.
  convenience init(
    _ parameters: CostParameters, _ ring: RingLayout, _ machine: Machine, guest: inout BenchGuest?, lender: BenchGuest
  ) throws(BenchError) {
    var own = parameters
    own.paths = [.shadow, .iommuStrict]
    own.sizes = Self.ladder(
      upTo: parameters.shadowSlot ?? .max, measured: parameters.sizes.max() ?? 0, depth: parameters.depth)
    // Hybrid maps each buffer, whatever iommu-strict does.
    own.iommu.mergeBytes = 0
    own.queues = 1
    let memory: BenchGuest
    if let guest { memory = guest } else { memory = try BenchGuest(own, lender: lender) }
    var factory = CaseFactory(parameters: own, guest: memory)
    var keys: [CostKey] = []
    var cases: [BenchCase] = []
    for bytes in own.sizes {
      for direction in own.directions {
        for path in own.paths {
          let key = CostKey(ring: ring, path: path, direction: direction, bytes: bytes)
          let benchCase = try factory.make(key)
          benchCase.trialBuffers = min(128, benchCase.trialBuffers)
          keys.append(key)
          cases.append(benchCase)
        }
      }
    }
    guest = factory.guest
    let (pair, underHypervisor) = (
      machine.pair(parameters.driverCPU, parameters.deviceCPU), machine.underHypervisor
    )
    self.init(
      ring: ring, keys: keys, cases: cases,
      seconds: Self.secondsForAllRings / Double(parameters.rings.count)
    ) { PlacementClassifier(pair: pair, underHypervisor: underHypervisor, roundTrips: $0) }
  }

  /// Powers of two from 256 bytes, and the largest, which need be no larger than a shadow buffer.
  static func ladder(upTo slot: Int, measured: Int, depth: Int) -> [Int] {
    let affordable = max(smallest, min(largest, mostBytes / depth))
    let last = min(slot, max(affordable, min(measured, ceiling)))
    return Array(sequence(first: min(smallest, last)) { $0 == last ? nil : min(2 * $0, last) })
  }
}

extension HybridCalibrator {
  /// What slices say whose cases are pairs of `shadow` and `iommu-strict`: one finding for each placement class
  /// that was seen enough of, the one to use first.
  static func findings(_ keys: [CostKey], _ sorter: SliceSorter) -> [HybridFinding] {
    var findings: [HybridFinding] = []
    for placement in PlacementClass.allCases {
      var samples: [HybridSample] = []
      var roundTrips: [Double] = []
      var slices = 0
      for copying in stride(from: 0, to: keys.count, by: 2) {
        let (key, mapping) = (keys[copying], copying + 1)
        let pairs = sorter.pairs(copying, with: mapping, placement)
        guard pairs.count >= fewestPairs, let copy = Percentile.median(pairs.map(\.numerator)),
          let map = Percentile.median(pairs.map(\.denominator))
        else { continue }
        samples.append(
          HybridSample(direction: key.direction, byteCount: key.bytes, copyNanoseconds: copy, mapNanoseconds: map))
        roundTrips += sorter.kept(copying, placement).map(\.conditions.roundTrip)
        slices += 2 * pairs.count
      }
      guard !samples.isEmpty else { continue }
      findings.append(
        HybridFinding(
          ring: keys[0].ring, placement: placement, roundTrip: Percentile.median(roundTrips) ?? 0, slices: slices,
          calibration: HybridCalibration(samples: samples)))
    }
    // The class with most sizes: without one there is a gap in what the threshold comes from.
    return findings.sorted {
      ($0.calibration.samples.count, $0.slices) > ($1.calibration.samples.count, $1.slices)
    }
  }
}

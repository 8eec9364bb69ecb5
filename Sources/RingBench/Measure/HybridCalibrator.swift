import RingKit

/// Finds hybrid's threshold before the slices, by the real thing: rings over `shadow` and `iommu-strict`, under the
/// conditions of the run, that take turns at each of a few sizes.
///
/// Memory of its own: what the run then measures starts as cold or warm as it would have.
struct HybridCalibrator {
  /// The smallest and the largest buffers looked at, whatever sizes are measured.
  private static let smallest = 256
  private static let largest = 65_536
  /// Larger ones than this would take too long.
  private static let ceiling = 524_288
  private static let mostBytes = 256 << 20
  /// Pairs of slices of one class, without which a size says nothing; so many rounds there are, be the machine as busy as
  /// it may.
  private static let fewestPairs = 3
  private static let rounds = 4
  private static let secondsForAllRings = 2.0

  private let parameters: CostParameters
  private let ring: RingLayout
  private let machine: Machine
  private let rings: Int

  init(_ parameters: CostParameters, _ ring: RingLayout, _ machine: Machine) {
    var own = parameters
    own.paths = [.shadow, .iommuStrict]
    own.rings = [ring]
    own.sizes = Self.ladder(
      upTo: parameters.shadowSlot ?? .max, measured: parameters.sizes.max() ?? 0, depth: parameters.depth)
    // Hybrid maps each buffer, whatever iommu-strict does.
    own.iommu.mergeBytes = 0
    own.sliceMilliseconds = 2
    own.queues = 1
    self.parameters = own
    self.ring = ring
    self.machine = machine
    rings = parameters.rings.count
  }

  /// Powers of two from 256 bytes, and the largest, which need be no larger than a shadow buffer.
  static func ladder(upTo slot: Int, measured: Int, depth: Int) -> [Int] {
    let affordable = max(smallest, min(largest, mostBytes / depth))
    let last = min(slot, max(affordable, min(measured, ceiling)))
    return Array(sequence(first: min(smallest, last)) { $0 == last ? nil : min(2 * $0, last) })
  }

  /// One finding for each placement class that was seen enough of, the one to use first; none when interrupted.
  func run() throws(BenchError) -> [HybridFinding] {
    let progress = Progress()
    let title = "calibrating hybrid, \(ring.name) ring"
    progress.update(title)
    defer { progress.clear() }
    var factory = ContenderFactory(parameters: parameters, guest: try BenchGuest(parameters))
    var keys: [CostKey] = []
    var timed: [Contender] = []
    for bytes in parameters.sizes {
      for direction in parameters.directions {
        for path in parameters.paths {
          let key = CostKey(ring: ring, path: path, direction: direction, bytes: bytes)
          let contender = try factory.make(key, counter: NoWork())
          contender.trialBuffers = 128
          keys.append(key)
          timed.append(contender)
        }
      }
    }
    let schedule = try SliceSchedule(
      counted: [], timed: timed, groups: stride(from: 0, to: keys.count, by: 2).map { $0..<($0 + 2) },
      rounds: Self.rounds, sliceMilliseconds: parameters.sliceMilliseconds,
      timeLimit: Self.secondsForAllRings / Double(rings), fewestRounds: Self.fewestPairs,
      driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU)
    let run = try SliceSession(schedule).run(progress: progress, title: title + ": ")
    let conditions = run.records.map(\.conditions)
    let classifier = PlacementClassifier(
      pair: machine.pair(parameters.driverCPU, parameters.deviceCPU), underHypervisor: machine.underHypervisor,
      roundTrips: conditions.flatMap { [$0.roundTripBefore, $0.roundTripAfter] })
    let sorter = SliceSorter(
      run.records, contenders: keys.count, fewest: Self.fewestPairs, classifier: classifier)
    let findings = Self.findings(keys, sorter)
    guard !findings.isEmpty || run.interrupted else {
      throw .machine(
        "hybrid's threshold cannot be measured now. \(DropReason.sentence(sorter.reasons)) "
          + "Try again, or give it with --hybrid-threshold")
    }
    return findings
  }

  /// What slices say whose contenders are pairs of `shadow` and `iommu-strict`.
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

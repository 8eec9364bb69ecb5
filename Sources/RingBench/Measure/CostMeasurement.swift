#if Bench
import BenchHarness
import BenchPaths
import BenchReport

/// Runs the rings and turns slices into rows.
struct CostMeasurement {
  private let parameters: CostParameters
  private let machine: Machine

  init(_ parameters: CostParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(progress: Progress) throws(BenchError) -> CostReport {
    let (run, keys, factory, tuner) = try measure(progress)
    let report = report(run, keys, tuner?.outcome ?? HybridOutcome())
    report.memory = try factory.guest.placements()
    return report
  }

  /// Work per buffer alone, over so many buffers of each queue: nothing is timed.
  func count(buffers: Int) throws(BenchError) -> [(path: DMAPath, counters: [String: Double])] {
    let (run, keys, _, _) = try measure(Progress(), counting: buffers)
    return keys.indices.compactMap { number in run.counters[number].map { (keys[number].path, $0) } }
  }

  private func measure(_ progress: Progress, counting buffers: Int? = nil) throws(BenchError) -> (
    SliceRun, [CostKey], ContenderFactory, HybridTuner?
  ) {
    progress.update("setting up")
    let keys = keys()
    var factory = ContenderFactory(parameters: parameters, guest: try BenchGuest(parameters))
    let device = parameters.isolation.paths.isEmpty ? nil : try IsolatedDevice(parameters, factory.guest)
    factory.device = device
    var counted: [Contender] = []
    var timed: [Contender] = []
    for key in keys {
      counted.append(try factory.makeAll(key, counting: true))
      if let buffers {
        counted[counted.count - 1].countedBuffers = buffers * parameters.queues
      } else {
        timed.append(try factory.makeAll(key))
      }
    }
    try factory.guest.verifyPlacement(parameters)
    try device?.start(parameters)
    let tuner = factory.tuner
    let schedule = try SliceSchedule(
      parameters, counted: counted, timed: timed, groups: groups(timed.count),
      otherLanes: parameters.queueThreads == .own ? Array(parameters.laneCPUs.dropFirst()) : [],
      isolated: device?.peer, tuner: tuner)
    let run = try SliceSession(schedule) { device?.finish().text }.run(progress: progress)
    return (run, keys, factory, tuner)
  }

  /// The paths of one ring, size and direction.
  private func groups(_ count: Int) -> [Range<Int>] {
    let paths = parameters.measuredPaths.count + parameters.isolation.paths.count
    return stride(from: 0, to: count, by: paths).map { $0..<($0 + paths) }
  }

  /// Contenders that are compared with each other stand next to each other, so that they run in the same moment.
  private func keys() -> [CostKey] {
    var keys: [CostKey] = []
    for ring in parameters.rings {
      for bytes in parameters.sizes {
        for direction in parameters.directions {
          for path in parameters.measuredPaths {
            keys.append(CostKey(ring: ring, path: path, direction: direction, bytes: bytes))
            if parameters.isolation.paths.contains(path) {
              keys.append(CostKey(ring: ring, path: path, direction: direction, bytes: bytes, isolated: true))
            }
          }
        }
      }
    }
    return keys
  }

  private func report(_ run: SliceRun, _ keys: [CostKey], _ outcome: HybridOutcome) -> CostReport {
    let classifier = machine.classifier(parameters.driverCPU, parameters.deviceCPU, roundTrips: run.roundTrips)
    let hybrid = outcome.named(by: classifier)
    let paired = PairedRun(
      run, contenders: keys.count, slices: parameters.slices, classifier: classifier, seed: parameters.seed,
      isForeign: hybrid.isForeign)
    var rows: [CostRow] = []
    for (number, key) in keys.enumerated() {
      let baseline = keys.firstIndex(of: key.baseline)
      for placement in PlacementClass.allCases {
        let row = CostRow(number, key, baseline: baseline, placement, paired, parameters)
        if let row { rows.append(row) }
      }
    }
    return CostReport(
      machine: machine, parameters: parameters, rows: rows, slicesDroppedBy: paired.sorter.reasons,
      hybridCalibration: hybrid, disturbed: paired.sorter.isDisturbed, interrupted: run.interrupted)
  }
}

extension SliceSchedule {
  /// The slices and CPUs that a run's parameters ask for.
  convenience init(
    _ parameters: CostParameters, counted: [Contender], timed: [Contender], groups: [Range<Int>],
    limitsWholeRun: Bool = false, otherLanes: [(driver: Int, device: Int)] = [], isolated: SlicePeer? = nil,
    tuner: HybridTuner? = nil
  ) throws(BenchError) {
    try self.init(
      counted: counted, timed: timed, groups: groups, rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds, timeLimit: parameters.timeLimit,
      driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU, limitsWholeRun: limitsWholeRun,
      otherLanes: otherLanes, isolated: isolated, tuner: tuner)
  }
}
#endif

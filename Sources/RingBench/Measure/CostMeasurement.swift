import RingKit

/// Runs the rings and turns slices into rows.
struct CostMeasurement {
  /// Fewer slices of one class than this say nothing about it.
  private static let fewestSlices = 5

  private let parameters: CostParameters
  private let machine: Machine

  init(_ parameters: CostParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(progress: Progress) throws(BenchError) -> CostReport {
    let (run, keys, factory) = try measure(progress)
    var report = report(run, keys)
    report.memory = try factory.guest.placements()
    return report
  }

  /// Work per buffer alone, over so many buffers of each queue: nothing is timed.
  func count(buffers: Int) throws(BenchError) -> [(path: DMAPath, counters: [String: Double])] {
    let (run, keys, _) = try measure(Progress(), counting: buffers)
    return keys.indices.compactMap { number in run.counters[number].map { (keys[number].path, $0) } }
  }

  private func measure(_ progress: Progress, counting buffers: Int? = nil) throws(BenchError) -> (
    SliceRun, [CostKey], ContenderFactory
  ) {
    progress.update("setting up")
    let keys = keys()
    var factory = ContenderFactory(parameters: parameters, guest: try BenchGuest(parameters))
    let device = parameters.isolation.paths.isEmpty ? nil : try IsolatedDevice(parameters, factory.guest)
    factory.device = device
    var counted: [Contender] = []
    var timed: [Contender] = []
    for key in keys {
      counted.append(try factory.makeAll(key, counter: CountedWork()))
      if let buffers {
        counted[counted.count - 1].countedBuffers = buffers * parameters.queues
      } else {
        timed.append(try factory.makeAll(key, counter: NoWork()))
      }
    }
    try factory.guest.verifyPlacement(parameters)
    try device?.start(parameters)
    let schedule = try SliceSchedule(
      counted: counted, timed: timed, groups: groups(timed.count), rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds,
      timeLimit: parameters.timeLimit, driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU,
      otherLanes: parameters.queueThreads == .own ? Array(parameters.laneCPUs.dropFirst()) : [],
      isolated: device?.peer)
    return (try SliceSession(schedule, isolated: device).run(progress: progress), keys, factory)
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

  private func report(_ run: SliceRun, _ keys: [CostKey]) -> CostReport {
    let conditions = run.records.map(\.conditions)
    let classifier = PlacementClassifier(
      pair: machine.pair(parameters.driverCPU, parameters.deviceCPU), underHypervisor: machine.underHypervisor,
      roundTrips: conditions.flatMap { [$0.roundTripBefore, $0.roundTripAfter] })
    let hybrid = run.hybrid.named(by: classifier)
    let sorter = SliceSorter(
      run.records, contenders: keys.count, fewest: min(Self.fewestSlices, parameters.slices), classifier: classifier,
      hybrid: hybrid)
    var rows: [CostRow] = []
    for (number, key) in keys.enumerated() {
      let baseline = keys.firstIndex(of: key.baseline)
      for placement in PlacementClass.allCases {
        let slices = sorter.kept(number, placement)
        guard slices.count >= min(Self.fewestSlices, parameters.slices) || run.interrupted, !slices.isEmpty,
          let time = BootstrapInterval.median(of: slices.map(\.nanosecondsPerBuffer), seed: parameters.seed)
        else { continue }
        // A ratio of very few pairs has an interval that looks better than it is.
        let pairs = baseline.map { sorter.pairs(number, with: $0, placement) } ?? []
        rows.append(
          CostRow(
            ring: key.ring, path: key.path, direction: key.direction, bytes: key.bytes, depth: parameters.depth,
            batch: parameters.batch, placement: placement,
            roundTrip: Percentile.median(slices.map(\.conditions.roundTrip)) ?? 0, nanosecondsPerBuffer: time,
            ratioToDirect: baseline == number
              ? .exactly(1)
              : pairs.count < min(Self.fewestSlices, parameters.slices)
                ? nil : BootstrapInterval.medianOfRatios(pairs, seed: parameters.seed),
            slicesKept: slices.count, slicesDropped: sorter.dropped[number], counters: run.counters[number] ?? [:],
            price: parameters.iommu.price(of: key.path), injected: parameters.iommu.isInjected(key.path),
            isolated: key.isolated))
      }
    }
    return CostReport(
      machine: machine, parameters: parameters, rows: rows, slicesDroppedBy: sorter.reasons, hybridCalibration: hybrid,
      disturbed: sorter.isDisturbed, interrupted: run.interrupted)
  }
}

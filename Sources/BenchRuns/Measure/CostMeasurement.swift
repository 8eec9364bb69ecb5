import BenchPaths
import BenchPlan
import BenchReport
import CRing

/// Runs the rings and turns slices into rows.
package struct CostMeasurement {
  let parameters: CostParameters
  let machine: Machine
  // The time limit covers what is set up as well.
  private let began = cring_nanoseconds()

  package init(parameters: CostParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> CostReport {
    do throws(BenchError) {
      let (run, keys, factory, tuner) = try measure(progress)
      var report = report(run, keys, tuner?.outcome ?? HybridOutcome())
      report.memory = factory.guest.placements()
      return report
    } catch {
      return report(try .nothing(error), [], HybridOutcome())
    }
  }

  private func measure(_ progress: Progress) throws(BenchError) -> (SliceRun, [CostKey], CaseFactory, HybridTuner?) {
    progress.update("setting up")
    var factory = CaseFactory(parameters: parameters, guest: try BenchGuest(parameters))
    if let warning = factory.guest.pageWarning(parameters) { progress.warn(warning) }
    let device = parameters.isolation.paths.isEmpty ? nil : try IsolatedDevice(parameters, factory.guest)
    factory.device = device
    try factory.guest.verifyPlacement(parameters)
    let (keys, counted, timed) = try cases(&factory, progress)
    let tuner = factory.tuner
    let schedule = try SliceSchedule(
      parameters, began: began, counted: counted, timed: timed, groups: groups(keys),
      otherQueues: parameters.queueThreads == .own ? Array(parameters.queueCPUs.dropFirst()) : [],
      isolated: device?.peer, tuner: tuner)
    try device?.start(parameters)
    let run = try SliceSession(schedule) { device?.finish().text }.run(progress: progress)
    for reason in run.leftOut { progress.warn(reason) }
    return (run, keys, factory, tuner)
  }

  /// All combinations whose path can be had here; a path that was not asked for is left out where it cannot.
  private func cases(
    _ factory: inout CaseFactory, _ progress: Progress
  ) throws(BenchError) -> (keys: [CostKey], counted: [BenchCase], timed: [BenchCase]) {
    var made: [(key: CostKey, counted: BenchCase, timed: BenchCase)] = []
    var missing: Set<DMAPath> = []
    for key in keys() where !missing.contains(key.path) && !Interrupt.isRequested {
      do throws(BenchError) {
        made.append((key, try factory.makeAll(key, counting: true), try factory.makeAll(key)))
      } catch {
        guard case .machine(let reason) = error, parameters.areNamed == false, key.path != .direct else { throw error }
        progress.warn("\(key.path.name) is left out: \(reason)")
        missing.insert(key.path)
      }
    }
    for one in made where missing.contains(one.key.path) {
      one.counted.close()
      one.timed.close()
    }
    made.removeAll { missing.contains($0.key.path) }
    return (made.map(\.key), made.map(\.counted), made.map(\.timed))
  }

  /// The paths of one ring, size and direction.
  private func groups(_ keys: [CostKey]) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    for number in keys.indices {
      if let last = groups.last, keys[last.lowerBound].baseline == keys[number].baseline {
        groups[groups.count - 1] = last.lowerBound..<(number + 1)
      } else {
        groups.append(number..<(number + 1))
      }
    }
    return groups
  }

  /// Cases that are compared with each other stand next to each other, so that they run in the same moment.
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
      run, cases: keys.count, slices: parameters.slices, classifier: classifier, seed: parameters.seed,
      isForeign: hybrid.isForeign)
    var rows: [ResultRow] = []
    for (number, key) in keys.enumerated() {
      let baseline = keys.firstIndex(of: key.baseline)
      let bounce = keys.firstIndex(of: key.bounce)
      for placement in PlacementClass.allCases {
        let row = ResultRow(number, key, baseline: baseline, bounce: bounce, placement, paired, parameters)
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
    _ parameters: CostParameters, began: UInt64 = cring_nanoseconds(), counted: [BenchCase], timed: [BenchCase],
    groups: [Range<Int>], otherQueues: [(driver: Int, device: Int)] = [], isolated: SlicePeer? = nil,
    tuner: HybridTuner? = nil
  ) throws(BenchError) {
    try self.init(
      counted: counted, timed: timed, groups: groups, rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds, timeLimit: parameters.timeLimit,
      began: began, driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU, otherQueues: otherQueues,
      isolated: isolated, tuner: tuner)
  }
}

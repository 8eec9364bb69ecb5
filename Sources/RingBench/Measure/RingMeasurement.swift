#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import CRing

/// Runs rings and floors in turn and turns slices into rows.
struct RingMeasurement {
  private let parameters: RingParameters
  private let machine: Machine
  // The time limit covers what is set up as well.
  private let began = cring_nanoseconds()

  init(_ parameters: RingParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(progress: Progress) throws(BenchError) -> RingReport {
    progress.update("setting up")
    var factory = try RingCaseFactory(parameters.points)
    var counted: [BenchCase] = []
    var timed: [BenchCase] = []
    // By point: the number of its ring among the timed ones, and of the floors that stand next to it.
    var places: [(ring: Int, floors: [(kind: FloorKind, number: Int)])] = []
    for point in parameters.points where !Interrupt.isRequested {
      counted.append(try factory.make(point, counting: true))
      let ring = timed.count
      timed.append(try factory.make(point))
      var floors: [(kind: FloorKind, number: Int)] = []
      // A floor is a ring of single descriptors that polls; other points have none to be held against.
      if point.chain == 1 && point.notification == .polling {
        for kind in Floor.kinds(for: point) {
          guard let floor = Floor(kind.kind, point) else { continue }
          floors.append((kind, timed.count))
          timed.append(floor.benchCase("floor of \(point.label)"))
        }
      }
      places.append((ring, floors))
    }
    let schedule = try SliceSchedule(
      counted: counted, timed: timed,
      groups: places.map { $0.ring..<($0.ring + 1 + $0.floors.count) }, rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds,
      timeLimit: parameters.timeLimit, began: began, driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU,
      roundTrips: parameters.roundTrips)
    let run = try SliceSession(schedule).run(progress: progress)
    return report(run, places)
  }

  private func report(
    _ run: SliceRun, _ places: [(ring: Int, floors: [(kind: FloorKind, number: Int)])]
  ) -> RingReport {
    let paired = PairedRun(
      run, cases: places.reduce(0) { $0 + 1 + $1.floors.count }, slices: parameters.slices,
      classifier: machine.classifier(parameters.driverCPU, parameters.deviceCPU, roundTrips: run.roundTrips),
      seed: parameters.seed)
    var rows: [RingRow] = []
    for (index, place) in places.enumerated() {
      for placement in PlacementClass.allCases {
        let row = RingRow(
          parameters.points[index], place.ring, placement, paired, cycles: Double(cring_cycles_per_second()) / 1e9,
          counters: run.counters[index] ?? [:], floors: floors(place, paired, placement))
        if let row { rows.append(row) }
      }
    }
    return RingReport(machine: machine, parameters: parameters, rows: rows, run: paired)
  }

  // A floor counts with the slices it has: there is no row without its ring's.
  private func floors(
    _ place: (ring: Int, floors: [(kind: FloorKind, number: Int)]), _ paired: PairedRun, _ placement: PlacementClass
  ) -> [FloorRow] {
    place.floors.compactMap { kind, number in
      let times = paired.sorter.kept(number, placement).map(\.nanosecondsPerBuffer)
      guard !times.isEmpty, let time = BootstrapInterval.median(of: times, seed: parameters.seed) else { return nil }
      let ratio = BootstrapInterval.medianOfRatios(
        paired.sorter.pairs(place.ring, with: number, placement), seed: parameters.seed)
      return FloorRow(kind, time, Modes.of(times), ratio: ratio)
    }
  }
}
#endif

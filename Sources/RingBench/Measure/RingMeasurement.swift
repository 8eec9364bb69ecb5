import CRing
import RingKit

/// Runs rings and floors in turn and turns slices into rows.
struct RingMeasurement {
  private static let fewestSlices = 5

  private let parameters: RingParameters
  private let machine: Machine

  init(_ parameters: RingParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(progress: Progress) throws(BenchError) -> RingReport {
    progress.update("setting up")
    var factory = try RingContenderFactory(parameters.points)
    var counted: [Contender] = []
    var timed: [Contender] = []
    // By point: the number of its ring among the timed ones, and of the floors that stand next to it.
    var places: [(ring: Int, floors: [(name: String, number: Int)])] = []
    for point in parameters.points {
      counted.append(try factory.make(point, counter: CountedWork()))
      let ring = timed.count
      timed.append(try factory.make(point, counter: NoWork()))
      var floors: [(String, Int)] = []
      // A floor is a ring of single descriptors that polls; other points have none to be held against.
      if point.chain == 1 && point.notification == .polling {
        for (name, kind) in Floor.kinds(for: point) {
          guard let floor = Floor(kind, point) else { continue }
          floors.append((name, timed.count))
          timed.append(floor.contender("floor of \(point.label)"))
        }
      }
      places.append((ring, floors))
    }
    let schedule = try SliceSchedule(
      counted: counted, timed: timed,
      groups: places.map { $0.ring..<($0.ring + 1 + $0.floors.count) }, rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds,
      timeLimit: parameters.timeLimit, driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU,
      roundTrips: parameters.roundTrips)
    let run = try SliceSession(schedule).run(progress: progress)
    return report(run, places)
  }

  private func report(
    _ run: SliceRun, _ places: [(ring: Int, floors: [(name: String, number: Int)])]
  ) -> RingReport {
    let conditions = run.records.map(\.conditions)
    let classifier = PlacementClassifier(
      pair: machine.pair(parameters.driverCPU, parameters.deviceCPU), underHypervisor: machine.underHypervisor,
      roundTrips: conditions.flatMap { [$0.roundTripBefore, $0.roundTripAfter] })
    let sorter = SliceSorter(
      run.records, contenders: places.reduce(0) { $0 + 1 + $1.floors.count },
      fewest: min(Self.fewestSlices, parameters.slices), classifier: classifier)
    var rows: [RingRow] = []
    for (index, place) in places.enumerated() {
      for placement in PlacementClass.allCases {
        let slices = sorter.kept(place.ring, placement)
        guard slices.count >= min(Self.fewestSlices, parameters.slices) || run.interrupted,
          let time = estimate(slices)
        else { continue }
        let floors = self.rows(place.floors, sorter, placement)
        let floor = floors.min { $0.row.nanosecondsPerBuffer.median < $1.row.nanosecondsPerBuffer.median }
        rows.append(
          RingRow(
            point: parameters.points[index], placement: placement,
            roundTrip: Percentile.median(slices.map(\.conditions.roundTrip)) ?? 0, nanosecondsPerBuffer: time,
            cyclesPerNanosecond: Double(cring_cycles_per_second()) / 1e9,
            modes: Modes.of(slices.map(\.nanosecondsPerBuffer)), floor: floor?.row,
            ratioToFloor: floor.flatMap { floor in
              BootstrapInterval.medianOfRatios(
                sorter.pairs(place.ring, with: floor.number, placement), seed: parameters.seed)
            }, floors: floors.map(\.row), slicesKept: slices.count, slicesDropped: sorter.dropped[place.ring],
            counters: run.counters[index] ?? [:], latency: run.latencies[place.ring]))
      }
    }
    return RingReport(
      machine: machine, parameters: parameters, rows: rows, slicesDroppedBy: sorter.reasons,
      disturbed: sorter.isDisturbed, interrupted: run.interrupted)
  }

  private func estimate(_ slices: [SliceRecord]) -> Estimate? {
    slices.isEmpty ? nil : BootstrapInterval.median(of: slices.map(\.nanosecondsPerBuffer), seed: parameters.seed)
  }

  private func rows(
    _ floors: [(name: String, number: Int)], _ sorter: SliceSorter, _ placement: PlacementClass
  ) -> [(number: Int, row: FloorRow)] {
    var rows: [(number: Int, row: FloorRow)] = []
    for (name, number) in floors {
      let slices = sorter.kept(number, placement)
      guard let time = estimate(slices) else { continue }
      let modes = Modes.of(slices.map(\.nanosecondsPerBuffer))
      rows.append((number, FloorRow(name: name, nanosecondsPerBuffer: time, modes: modes)))
    }
    return rows
  }
}

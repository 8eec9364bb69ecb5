import BenchPaths
import BenchPlan
import BenchReport
import CRing

/// Runs rings and floors in turn and turns slices into rows.
package struct RingMeasurement {
  let parameters: RingParameters
  let machine: Machine
  // The time limit covers what is set up as well.
  private let began = cring_nanoseconds()

  package init(parameters: RingParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> RingReport {
    progress.update("setting up")
    var factory = try RingCaseFactory(parameters.points)
    var counted: [BenchCase] = []
    var timed: [BenchCase] = []
    // By point: the number of its ring among the timed ones, and of the floors that stand next to it.
    var groups: [(ring: Int, floors: [(kind: FloorKind, number: Int)])] = []
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
      groups.append((ring, floors))
    }
    let schedule = try SliceSchedule(
      counted: counted, timed: timed,
      groups: groups.map { $0.ring..<($0.ring + 1 + $0.floors.count) }, rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds,
      timeLimit: parameters.timeLimit, began: began, driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU,
      roundTrips: parameters.roundTrips)
    let run = try SliceSession(schedule).run(progress: progress)
    return report(run, groups)
  }

  private func report(
    _ run: SliceRun, _ groups: [(ring: Int, floors: [(kind: FloorKind, number: Int)])]
  ) -> RingReport {
    let paired = PairedRun(
      run, cases: groups.reduce(0) { $0 + 1 + $1.floors.count }, slices: parameters.slices,
      classifier: machine.classifier(parameters.driverCPU, parameters.deviceCPU, roundTrips: run.roundTrips),
      seed: parameters.seed)
    var rows: [ResultRow] = []
    for (index, group) in groups.enumerated() {
      let point = parameters.points[index]
      for placement in PlacementClass.allCases {
        let floors = group.floors.compactMap { kind, number in
          ResultRow(kind, number, of: point, group.ring, placement, paired, seed: parameters.seed)
        }
        let references = floors.filter { $0.note != nil }
        let row = ResultRow(
          point, group.ring, placement, paired, cycles: Double(cring_cycles_per_second()) / 1e9,
          counters: run.counters[index] ?? [:],
          floor: references.min { $0.nsPerBuffer?.median ?? .infinity < $1.nsPerBuffer?.median ?? .infinity })
        if let row { rows += [row] + floors }
      }
    }
    return RingReport(machine: machine, parameters: parameters, rows: rows, run: paired)
  }
}

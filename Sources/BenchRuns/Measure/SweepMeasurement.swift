import BenchPaths
import BenchPlan
import BenchReport
import CRing
import RingIOMMU
import RingKit

/// Runs every path at every size it takes, and what the two cost alone beside them.
package struct SweepMeasurement {
  let parameters: CostParameters
  let machine: Machine
  // The time limit covers what is set up as well.
  private let began = cring_nanoseconds()

  package init(parameters: CostParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> SweepReport {
    do throws(BenchError) { return try measure(progress) } catch {
      return report(try .nothing(error), timed: 0)
    }
  }

  private func measure(_ progress: Progress) throws(BenchError) -> SweepReport {
    progress.update("setting up")
    var factory = CaseFactory(parameters: parameters, guest: try BenchGuest(parameters))
    if let warning = factory.guest.pageWarning(parameters) { progress.warn(warning) }
    try factory.guest.verifyPlacement(parameters)
    let refusals = try refusals(factory.guest)
    var keys: [CostKey] = []
    var groups: [Range<Int>] = []
    var counted: [BenchCase] = []
    var timed: [BenchCase] = []
    for group in candidates() where !Interrupt.isRequested {
      let possible = group.filter { refusals[Size(path: $0.path, bytes: $0.bytes)] == nil }
      guard !possible.isEmpty else { continue }
      for key in possible {
        counted.append(try factory.make(key, counting: true))
        timed.append(try factory.make(key))
      }
      groups.append(keys.count..<(keys.count + possible.count))
      keys += possible
    }
    let primitives = try PrimitiveCases(&factory)
    if !primitives.cases.isEmpty { groups.append(timed.count..<(timed.count + primitives.cases.count)) }
    timed += primitives.cases
    let tuner = factory.tuner
    let schedule = try SliceSchedule(
      parameters, began: began, counted: counted, timed: timed, groups: groups, tuner: tuner)
    let run = try SliceSession(schedule).run(progress: progress)
    for reason in run.leftOut { progress.warn(reason) }
    progress.update("looking for crossovers")
    var report = report(
      run, timed: timed.count, keys, primitives.keys, refused: refused(refusals), tuner?.outcome ?? HybridOutcome())
    report.memory = factory.guest.placements()
    return report
  }

  private func report(
    _ run: SliceRun, timed: Int, _ keys: [CostKey] = [], _ primitives: [PrimitiveKey] = [],
    refused: [(key: CostKey, reason: String)] = [], _ outcome: HybridOutcome = HybridOutcome()
  ) -> SweepReport {
    let classifier = machine.classifier(parameters.driverCPU, parameters.deviceCPU, roundTrips: run.roundTrips)
    let hybrid = outcome.named(by: classifier)
    return SweepReport(
      machine: machine, parameters: parameters, keys: keys, primitives: primitives, refused: refused,
      run: PairedRun(
        run, cases: timed, slices: parameters.slices, classifier: classifier, seed: parameters.seed,
        isForeign: hybrid.isForeign), hybridCalibration: hybrid)
  }

  /// A path and a size, whatever the ring and the direction.
  private struct Size: Hashable {
    let path: DMAPath
    let bytes: Int
  }

  /// What is compared with each other: the paths of one ring, size and direction.
  private func candidates() -> [[CostKey]] {
    var groups: [[CostKey]] = []
    for ring in parameters.rings {
      for bytes in parameters.sizes {
        for direction in parameters.directions {
          groups.append(
            parameters.measuredPaths.map { CostKey(ring: ring, path: $0, direction: direction, bytes: bytes) })
        }
      }
    }
    return groups
  }

  /// Asks each path to map as many buffers of each size as will be outstanding, and keeps what it answers.
  private func refusals(_ guest: BenchGuest) throws(BenchError) -> [Size: String] {
    var factory = CaseFactory(parameters: parameters, guest: guest, servedBy: .waiter, form: .mapping)
    var refusals: [Size: String] = [:]
    for path in parameters.measuredPaths {
      for bytes in parameters.sizes where !Interrupt.isRequested {
        let key = CostKey(ring: parameters.rings[0], path: path, direction: .deviceReadable, bytes: bytes)
        let benchCase: BenchCase
        do throws(BenchError) { benchCase = try factory.make(key) } catch {
          guard case .machine(let reason) = error, !parameters.areNamed, path != .direct else { throw error }
          refusals[Size(path: path, bytes: bytes)] = reason
          continue
        }
        defer { benchCase.close() }
        do throws(SliceFailure) { _ = try benchCase.runOnOneThread(1) } catch {
          guard case .queue(.mapping(let refusal)) = error else { throw .check("\(key.label): \(error.text)") }
          refusals[Size(path: path, bytes: bytes)] = refusal.description
        }
      }
    }
    return refusals
  }

  private func refused(_ refusals: [Size: String]) -> [(key: CostKey, reason: String)] {
    candidates().flatMap { $0 }.compactMap { key in
      refusals[Size(path: key.path, bytes: key.bytes)].map { (key, $0) }
    }
  }
}

import BenchPaths
import BenchPlan
import BenchReport
import CRing
import RingKit

/// Runs every path at every point of every axis, and simulates the queues that this machine has no CPUs for.
package struct ScaleMeasurement {
  // What is outstanding has to have come round before a count says what a buffer costs.
  private static let countedRounds = 4

  let parameters: ScaleParameters
  let machine: Machine
  // The time limit covers what is set up as well.
  private let began = cring_nanoseconds()

  package init(parameters: ScaleParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> ScaleReport {
    let predictions = try predictions(progress)
    progress.update("setting up")
    var (keys, counted, timed) = ([ScaleKey](), [BenchCase](), [BenchCase]())
    var groups: [Range<Int>] = []
    var factories: [ScalePoint: CaseFactory] = [:]
    var pool: SwiotlbPool?
    for point in parameters.points where !Interrupt.isRequested {
      let cost = parameters.cost(point)
      let guest = try BenchGuest(cost, sharedPool: pool)
      pool = pool ?? guest.pool
      factories[point] = CaseFactory(parameters: cost, guest: guest)
    }
    // One path along one axis stands together: its points are compared with each other, and run in the same moment.
    for axis in parameters.axes {
      for ring in parameters.rings {
        for path in parameters.measuredPaths where !Interrupt.isRequested {
          let first = keys.count
          for value in parameters.values(axis) {
            let point = ScalePoint(axis: axis, value: value, ring: ring)
            guard factories[point] != nil else { continue }
            let key = CostKey(ring: ring, path: path, direction: parameters.direction, bytes: parameters.bytes)
            let twin = try factories[point]?.makeAll(key, counting: true)
            guard let twin, let benchCase = try factories[point]?.makeAll(key) else { continue }
            twin.countedBuffers = max(twin.countedBuffers, Self.countedBuffers(parameters.cost(point)))
            counted.append(twin)
            timed.append(benchCase)
            keys.append(ScaleKey(point, path))
          }
          if keys.count > first { groups.append(first..<keys.count) }
        }
      }
    }
    let others = parameters.points.map { parameters.cost($0) }.filter { $0.queueThreads == .own }
    let most = others.max { $0.queues < $1.queues }
    let schedule = try SliceSchedule(
      counted: counted, timed: timed, groups: groups, rounds: parameters.slices,
      sliceMilliseconds: parameters.sliceMilliseconds, timeLimit: parameters.timeLimit, began: began,
      driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU,
      otherQueues: most.map { Array($0.queueCPUs.dropFirst()) } ?? [])
    let run = try SliceSession(schedule).run(progress: progress)
    for reason in run.leftOut { progress.warn(reason) }
    let paired = PairedRun(
      run, cases: timed.count, slices: parameters.slices,
      classifier: machine.classifier(parameters.driverCPU, parameters.deviceCPU, roundTrips: run.roundTrips),
      seed: parameters.seed)
    return ScaleReport(
      machine: machine, parameters: parameters, keys: keys, predictions: predictions, run: paired)
  }

  /// Whole rounds of the flush queue, over all queues alike.
  private static func countedBuffers(_ cost: CostParameters) -> Int {
    let round = 255 * 16 * cost.queues
    let wanted = countedRounds * cost.depth * cost.queues
    return (wanted + round - 1) / round * round
  }

  /// Queues beyond what has threads of its own here, for paths whose queues meet at a lock.
  private func predictions(_ progress: Progress) throws(BenchError) -> [ScalePrediction] {
    let models = parameters.paths.compactMap { path in LockModel.shared(by: path).map { (path, $0) } }
    let isBeyond = parameters.queueCounts.contains { $0 > 1 && !parameters.haveOwnThreads($0) }
    guard parameters.axes.contains(.queues), isBeyond, !models.isEmpty else { return [] }
    progress.update("timing primitives")
    let primitives = try PrimitiveMeasurement(driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU).run()
    var predictions: [ScalePrediction] = []
    for (path, model) in models {
      let operation = model.operation(primitives)
      for queues in parameters.queueCounts where !Interrupt.isRequested {
        progress.update("\(model.name) on \(queues) simulated CPUs")
        var simulator = ContentionSimulator(
          operation, cpus: queues, transfer: primitives.cost(.lineTransfer), length: 2_000, seed: parameters.seed)
        let result = simulator.run()
        // What an interruption cut short is no result.
        if Interrupt.isRequested { break }
        predictions.append(ScalePrediction(path: path, model: model, queues: queues, result: result))
      }
    }
    return predictions
  }
}

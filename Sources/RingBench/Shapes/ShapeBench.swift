#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform

/// Runs the contenders of one shape.
struct ShapeBench {
  let shape: Shape
  let parameters: ShapeParameters
  let machine: Machine
  let progress: Progress

  /// What the shape's measurement starts from.
  var cost: CostParameters { parameters.cost(for: shape) }

  /// A factory with a guest of its own.
  func factory(
    _ cost: CostParameters, form: ContenderForm = .ring, servedBy: InvalidationServer = .deviceThread,
    flushInterval: UInt64 = IOMMUConfiguration().flushInterval
  ) throws(BenchError) -> ContenderFactory {
    ContenderFactory(
      parameters: cost, guest: try BenchGuest(cost), servedBy: servedBy, flushInterval: flushInterval, form: form)
  }

  func key(_ path: DMAPath, bytes: Int, _ direction: DMADirection = .deviceReadable) -> CostKey {
    CostKey(ring: parameters.ring, path: path, direction: direction, bytes: bytes)
  }

  /// A contender of a path, with no more work than a slow one can do.
  func make(_ factory: inout ContenderFactory, _ key: CostKey) throws(BenchError) -> Contender {
    let contender = try factory.make(key)
    contender.limitWork(key.path, bytes: key.bytes)
    return contender
  }

  /// Lets them take turns and count; they are closed then.
  func run(timed: [Contender], counted: [Contender] = [], _ cost: CostParameters) throws(BenchError) -> ShapeRun {
    let schedule = try SliceSchedule(
      counted: counted, timed: timed, groups: timed.isEmpty ? [] : [0..<timed.count], rounds: cost.slices,
      sliceMilliseconds: cost.sliceMilliseconds, timeLimit: cost.timeLimit, driverCPU: cost.driverCPU,
      deviceCPU: cost.deviceCPU, limitsWholeRun: true)
    let run = try SliceSession(schedule).run(progress: progress)
    let paired = PairedRun(
      run, contenders: timed.count, slices: cost.slices,
      classifier: machine.classifier(cost.driverCPU, cost.deviceCPU, roundTrips: run.roundTrips), seed: cost.seed)
    return ShapeRun(paired: paired, placement: parameters.placement ?? paired.mainClass)
  }

  /// Work of `rounds` batches once everything is warm, both ends on this thread: nothing in it depends on time.
  func countOnOneThread(_ contender: Contender, rounds: Int) throws(BenchError) -> WorkCounts {
    defer { contender.close() }
    do throws(SliceFailure) {
      _ = try contender.runOnOneThread(rounds)
      let before = contender.work
      _ = try contender.runOnOneThread(rounds)
      return contender.work - before
    } catch { throw .check("\(contender.label): \(error.text)") }
  }
}
#endif

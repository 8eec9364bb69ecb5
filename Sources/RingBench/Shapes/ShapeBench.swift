#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit

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

  func result(_ published: [Published], of run: ShapeRun? = nil) -> ShapeResult {
    var result = ShapeResult(shape, published: published)
    if let run { result.conditions = run.conditions }
    return result
  }

  /// A contender in a guest of its own.
  func make(
    _ key: CostKey, form: ContenderForm = .ring, servedBy: InvalidationServer = .deviceThread,
    flushInterval: UInt64 = IOMMUConfiguration().flushInterval, counting: Bool = false,
    _ change: (inout CostParameters) -> Void
  ) throws(BenchError) -> Contender {
    var cost = cost
    cost.paths = [key.path]
    cost.sizes = [key.bytes]
    change(&cost)
    var factory = try factory(cost, form: form, servedBy: servedBy, flushInterval: flushInterval)
    return try factory.make(key, counting: counting)
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
      cost, counted: counted, timed: timed, groups: timed.isEmpty ? [] : [0..<timed.count], limitsWholeRun: true)
    let run = try SliceSession(schedule).run(progress: progress)
    let paired = PairedRun(
      run, contenders: timed.count, slices: cost.slices,
      classifier: machine.classifier(cost.driverCPU, cost.deviceCPU, roundTrips: run.roundTrips), seed: cost.seed)
    return ShapeRun(paired: paired, placement: parameters.placement ?? paired.mainClass)
  }

  /// Work of `rounds` batches once everything is warm, both ends on this thread and served in place, with a timer that
  /// never strikes: nothing in it depends on time.
  func count(
    _ key: CostKey, rounds: Int, _ change: (inout CostParameters) -> Void
  ) throws(BenchError) -> WorkCounts {
    let contender = try make(key, servedBy: .waiter, flushInterval: .max, counting: true) { cost in
      // Nothing is pinned here. A depot of IOVA ranges gives back, by the clock, what it holds beyond one magazine a
      // CPU.
      cost.deviceCPU = max(cost.deviceCPU, 63)
      change(&cost)
    }
    defer { contender.close() }
    do throws(SliceFailure) {
      _ = try contender.runOnOneThread(rounds)
      let before = contender.work
      _ = try contender.runOnOneThread(rounds)
      return contender.work - before
    } catch { throw .check("\(contender.label): \(error.text)") }
  }
}

/// Measures one shape after the other.
struct ShapesMeasurement {
  private let parameters: ShapeParameters
  private let machine: Machine

  init(_ parameters: ShapeParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(progress: Progress) throws(BenchError) -> ShapesReport {
    var results: [ShapeResult] = []
    for shape in parameters.shapes {
      if Interrupt.isRequested { break }
      progress.update("shape \(shape.name), \(shape.title)")
      let bench = ShapeBench(shape: shape, parameters: parameters, machine: machine, progress: progress)
      results.append(try measure(bench))
    }
    return ShapesReport(
      machine: machine, parameters: parameters, shapes: results, interrupted: Interrupt.isRequested)
  }

  private func measure(_ bench: ShapeBench) throws(BenchError) -> ShapeResult {
    switch bench.shape {
    case .ladder: try LadderShape(bench: bench).measure()
    case .copyAgainstMap: try CopyShape(bench: bench).measure()
    case .invalidations: try InvalidationShape(bench: bench).measure()
    case .persistent: try PersistentShape(bench: bench).measure()
    case .areas: try AreasShape(bench: bench).measure()
    case .exhaustion: try ExhaustionShape(bench: bench).measure()
    case .largeRanges: try LargeRangeShape(bench: bench).measure()
    case .reach: try ReachShape(bench: bench).measure()
    case .backend: try BackendShape(bench: bench).measure()
    case .indirect: try IndirectShape(bench: bench).measure()
    }
  }
}
#endif

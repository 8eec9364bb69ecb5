import BenchPaths
import BenchPlan
import BenchReport
import CRing
import RingIOMMU
import RingKit

/// Runs the cases of one shape.
struct ShapeBench {
  let shape: Shape
  let parameters: ShapeParameters
  let machine: Machine
  let progress: Progress
  /// When the shape's time is up.
  var deadline = UInt64.max

  /// What the shape's measurement starts from; its time limit is what is left.
  var cost: CostParameters {
    var cost = parameters.cost
    let now = cring_nanoseconds()
    cost.timeLimit = Double(deadline &- min(now, deadline)) / 1e9
    return cost
  }

  /// A factory with a guest of its own.
  func factory(
    _ cost: CostParameters, form: CaseForm = .ring, servedBy: InvalidationServer = .deviceThread,
    flushInterval: UInt64 = IOMMUConfiguration().flushInterval
  ) throws(BenchError) -> CaseFactory {
    CaseFactory(
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

  /// A case in a guest of its own.
  func make(
    _ key: CostKey, form: CaseForm = .ring, servedBy: InvalidationServer = .deviceThread,
    flushInterval: UInt64 = IOMMUConfiguration().flushInterval, counting: Bool = false,
    _ change: (inout CostParameters) -> Void
  ) throws(BenchError) -> BenchCase {
    var cost = cost
    cost.paths = [key.path]
    cost.sizes = [key.bytes]
    change(&cost)
    var factory = try factory(cost, form: form, servedBy: servedBy, flushInterval: flushInterval)
    return try factory.make(key, counting: counting)
  }

  /// A case of each path in each form, all in one guest.
  func cases(
    _ paths: [DMAPath], bytes: Int, _ direction: DMADirection = .deviceReadable, as forms: [CaseForm],
    _ cost: CostParameters
  ) throws(BenchError) -> [BenchCase] {
    var factory = try factory(cost)
    var cases: [BenchCase] = []
    for form in forms {
      factory.form = form
      for path in paths { cases.append(try factory.make(key(path, bytes: bytes, direction))) }
    }
    return cases
  }

  /// Lets them take turns and count, for a share of the time that is left; they are closed then.
  func run(
    timed: [BenchCase], counted: [BenchCase] = [], share: Double = 1, _ cost: CostParameters
  ) throws(BenchError) -> ShapeRun {
    var cost = cost
    cost.timeLimit = share * self.cost.timeLimit
    let schedule = try SliceSchedule(
      cost, counted: counted, timed: timed, groups: timed.isEmpty ? [] : [0..<timed.count])
    let run = try SliceSession(schedule).run(progress: progress)
    let paired = PairedRun(
      run, cases: timed.count, slices: cost.slices,
      classifier: machine.classifier(cost.driverCPU, cost.deviceCPU, roundTrips: run.roundTrips), seed: cost.seed)
    guard let wanted = parameters.placement else { return ShapeRun(paired: paired, placement: paired.mainClass) }
    // A class without slices is none that anything was measured in.
    let isThere = timed.indices.contains { !paired.sorter.kept($0, wanted).isEmpty }
    return ShapeRun(paired: paired, placement: isThere ? wanted : nil)
  }

  /// Work of `rounds` batches once everything is warm, both ends on this thread and served in place, with a timer that
  /// never strikes: nothing in it depends on time.
  func count(
    _ key: CostKey, rounds: Int, _ change: (inout CostParameters) -> Void
  ) throws(BenchError) -> WorkCounts {
    let benchCase = try make(key, servedBy: .waiter, flushInterval: .max, counting: true) { cost in
      // Nothing is pinned here. A depot of IOVA ranges gives back, by the clock, what it holds beyond one magazine a
      // CPU.
      cost.deviceCPU = max(cost.deviceCPU, 63)
      change(&cost)
    }
    defer { benchCase.close() }
    do throws(SliceFailure) {
      _ = try benchCase.runOnOneThread(rounds)
      let before = benchCase.work
      _ = try benchCase.runOnOneThread(rounds)
      return benchCase.work - before
    } catch { throw .check("\(benchCase.label): \(error.text)") }
  }
}

/// Measures one shape after the other.
package struct ShapesMeasurement {
  let parameters: ShapeParameters
  let machine: Machine

  package init(parameters: ShapeParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> ShapesReport {
    var results: [ShapeResult] = []
    let end = cring_nanoseconds() &+ UInt64(parameters.timeLimit * 1e9)
    for (number, shape) in parameters.shapes.enumerated() {
      if Interrupt.isRequested { break }
      progress.update("shape \(shape.name), \(shape.title)")
      let now = cring_nanoseconds()
      let share = ShapeParameters.share(parameters.shapes[number...])
      let bench = ShapeBench(
        shape: shape, parameters: parameters, machine: machine, progress: progress,
        deadline: now &+ UInt64(share * Double(end &- min(now, end))))
      do throws(BenchError) {
        results.append(try measure(bench))
      } catch {
        // What one of them needs and this machine does not have is no reason to lose the others.
        guard case .machine(let reason) = error else { throw error }
        var result = bench.result([])
        result.concludeImpossible(reason)
        results.append(result)
      }
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
    case .keptBuffers: try KeptBufferShape(bench: bench).measure()
    }
  }
}

#if Bench
import BenchHarness
import BenchPaths
import BenchReport

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
    case .ladder: try LadderShape(bench).measure()
    case .copyAgainstMap: try CopyShape(bench).measure()
    case .invalidations: try InvalidationShape(bench).measure()
    case .persistent: try PersistentShape(bench).measure()
    case .areas: try AreasShape(bench).measure()
    case .exhaustion: try ExhaustionShape(bench).measure()
    case .largeRanges: try LargeRangeShape(bench).measure()
    case .reach: try ReachShape(bench).measure()
    case .backend: try BackendShape(bench).measure()
    case .indirect: try IndirectShape(bench).measure()
    }
  }
}
#endif

#if Bench
import BenchPaths
import BenchPlan
import BenchReport

/// Shape D: what stays mapped costs a look-up.
struct PersistentShape {
  private static let bytes = 1_500
  private static let fragment = 32_768
  // The two published persistent pools lost 1.5 and 26 %.
  private static let allowance = 1.1

  let bench: ShapeBench
  private let paths = [DMAPath.direct, .premapped, .iommuLazy, .iommuStrict]

  func measure() throws(BenchError) -> ShapeResult {
    var cost = bench.cost
    cost.paths = paths
    cost.sizes = [Self.bytes]
    var factory = try bench.factory(cost)
    var timed: [BenchCase] = []
    for form in [CaseForm.ring, .mapping] {
      factory.form = form
      for path in paths { timed.append(try factory.make(bench.key(path, bytes: Self.bytes))) }
    }
    // Maps merged per page fragment, as a page_frag of 32 KiB is: a guest of its own for each.
    cost.iommu.mergeBytes = Self.fragment
    var merged = try bench.factory(cost)
    for path in [DMAPath.iommuLazy, .iommuStrict] {
      timed.append(try merged.make(bench.key(path, bytes: Self.bytes)))
    }
    let run = try bench.run(timed: timed, cost)
    var result = bench.result([.asterinasPool, .mergedSeries], of: run)
    let direct = run.time(0)?.median
    for (number, path) in paths.enumerated() where number > 0 {
      // The mapping alone, less the same loop over nothing.
      let extra = run.difference(paths.count + number, from: paths.count, seed: bench.parameters.seed)?.median
      let predicted = direct.flatMap { direct in extra.map { (direct + $0 + run.walk(path)) / direct } }
      result.add("\(path.name) by direct", unit: "times", predicted: predicted, measured: run.ratio(number, to: 0))
    }
    for (offset, path) in [DMAPath.iommuLazy, .iommuStrict].enumerated() {
      result.add(
        "\(path.name), gain of merging maps per \(NumberText.bytes(Self.fragment))", unit: "times", predicted: nil,
        measured: run.ratio(2 + offset, to: 2 * paths.count + offset))
    }
    guard let ratio = run.ratio(1, to: 0) else {
      result.concludeUnmeasured()
      return result
    }
    let percent = NumberText.fixed(abs(ratio.median - 1) * 100, 1)
    result.conclude(
      ratio.median <= Self.allowance,
      "with a mapping that stays a buffer costs \(percent) % \(ratio.median < 1 ? "less" : "more") than with direct, "
        + "payload written and checked"
    )
    return result
  }
}
#endif

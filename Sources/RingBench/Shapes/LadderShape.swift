#if Bench
import BenchPaths
import BenchPlan
import BenchReport

/// Shape A: each path's time is predicted as the ring's, plus what the path costs alone, plus the device's walk.
struct LadderShape {
  private static let bytes = 1_500
  // What strict may keep of lazy's throughput; the two published figures are 0.55 and 0.67.
  private static let share = 0.4...0.75
  // Nanoseconds a packet of the published lazy run: 775,496 packets/s.
  private static let publishedPacket = 1e9 / 775_496

  let bench: ShapeBench
  private let paths = [DMAPath.direct, .identity, .iommuLazy, .iommuStrict, .viommu]

  func measure() throws(BenchError) -> ShapeResult {
    var cost = bench.cost
    cost.paths = paths
    cost.sizes = [Self.bytes]
    cost.touch = .none
    var factory = try bench.factory(cost)
    var timed: [BenchCase] = []
    for path in paths { timed.append(try factory.make(bench.key(path, bytes: Self.bytes))) }
    factory.form = .mapping
    for path in paths { timed.append(try factory.make(bench.key(path, bytes: Self.bytes))) }
    return result(try bench.run(timed: timed, cost))
  }

  private func result(_ run: ShapeRun) -> ShapeResult {
    var result = bench.result([.premappedSeries, .mergedSeries, .vIOMMU, .asterinas], of: run)
    let ring = run.time(0)?.median
    var predicted: [DMAPath: Double] = [:]
    for (number, path) in paths.enumerated() {
      if let ring, let alone = run.time(paths.count + number) {
        predicted[path] = ring + (path == .direct ? 0 : alone.median + run.walk(path))
      }
      result.add(
        "\(path.name), ns a buffer", unit: "ns", predicted: path == .direct ? nil : predicted[path],
        measured: run.time(number))
    }
    guard let lazy = paths.firstIndex(of: .iommuLazy), let strict = paths.firstIndex(of: .iommuStrict),
      let share = run.ratio(lazy, to: strict),
      let apart = run.difference(strict, from: lazy, seed: bench.parameters.seed)
    else {
      result.concludeUnmeasured()
      return result
    }
    let predictedShare = predicted[.iommuLazy].flatMap { lazy in predicted[.iommuStrict].map { lazy / $0 } }
    result.add("strict's share of lazy's throughput", unit: "", predicted: predictedShare, measured: share)
    let withPacket = Self.publishedPacket / (Self.publishedPacket + apart.median)
    result.add(
      "that share, at the published \(NumberText.grouped(Int(Self.publishedPacket))) ns a packet of lazy", unit: "",
      predicted: predicted[.iommuStrict].flatMap { strict in
        predicted[.iommuLazy].map { Self.publishedPacket / (Self.publishedPacket + strict - $0) }
      }, measured: .exactly(withPacket))
    addEmulated(run, &result, strict)
    conclude(run, &result, share: share.median, withPacket: withPacket)
    return result
  }

  private func addEmulated(_ run: ShapeRun, _ result: inout ShapeResult, _ strict: Int) {
    guard let emulated = paths.firstIndex(of: .viommu) else { return }
    result.add("viommu by strict", unit: "times", predicted: nil, measured: run.ratio(emulated, to: strict))
    result.add("viommu by direct", unit: "times", predicted: nil, measured: run.ratio(emulated, to: 0))
  }

  private func conclude(_ run: ShapeRun, _ result: inout ShapeResult, share: Double, withPacket: Double) {
    // Rungs that cost the same are in order: the interval of their ratio has to say otherwise.
    let steps = (1..<paths.count).map { number in run.ratio(number, to: number - 1) }
    let misplaced = steps.firstIndex { $0.map { $0.high < 0.97 } ?? true }
    let figure = NumberText.fixed(share, 2)
    if let misplaced {
      return result.conclude(
        false,
        "\(paths[misplaced + 1].name) does not cost more than \(paths[misplaced].name); strict keeps \(figure) of lazy")
    }
    guard Self.share.contains(share) else {
      return result.conclude(
        false,
        "the order holds, but strict keeps \(figure) of lazy: this ring has nothing else to do for a packet, so the "
          + "difference weighs more; with the published stack's time a packet around the same difference it would "
          + "keep \(NumberText.fixed(withPacket, 2))"
      )
    }
    result.conclude(true, "the order holds, and strict keeps \(figure) of lazy's throughput")
  }
}
#endif

import BenchPaths
import BenchPlan
import BenchReport
import RingKit

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
    return result(
      try bench.run(timed: try bench.cases(paths, bytes: Self.bytes, as: [.ring, .mapping], cost), cost))
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
    else { return result.unmeasured }
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

/// Shape B: a sweep of a path that copies against one that maps, in both directions.
struct CopyShape {
  private static let sizes = [64, 256, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536, 131_072, 262_144]
  // A prediction from two primitives that is further off than this explains nothing.
  private static let tolerance = 2.0

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var cost = bench.cost
    cost.paths = [.iommuStrict, .viommu, .swiotlb]
    cost.directions = DMADirection.allCases
    cost.sizes = Self.sizes
    let report = try SweepMeasurement(parameters: cost, machine: bench.machine).run(progress: bench.progress)
    var result = bench.result([.bounceInstead, .shadowBuffers])
    let measured = report.results.compactMap(\.placement?.class)
    let placement = bench.parameters.placement.map { measured.contains($0) ? $0 : nil } ?? report.mainClass
    let trips = report.results.compactMap(\.placement).filter { $0.class == placement }.compactMap(\.roundTripNs)
    result.conditions = ShapeConditions(
      placement: placement, roundTrip: Percentile.median(trips), slicesDroppedBy: report.slicesDroppedBy,
      isDisturbed: report.disturbed)
    let pairs = report.crossovers.filter { $0.placement == placement && $0.paths == [.iommuStrict, .swiotlb] }
    guard pairs.count == cost.directions.count else { return result.unmeasured }
    for pair in pairs { add(pair, &result) }
    addEmulated(report, placement, &result)
    conclude(pairs, &result)
    return result
  }

  private func add(_ pair: BenchDocument.Crossover, _ result: inout ShapeResult) {
    let way = "\(pair.direction.name), k = \(pair.copies)"
    let meetings = pair.meetings
    result.add("S*, \(way)", unit: "bytes", predicted: pair.predictedBytes, measured: meetings.last?.bytes)
    result.add("S* with the search, \(way)", unit: "bytes", predicted: pair.predictedBytesWithSearch, measured: nil)
    if meetings.count > 1 {
      result.add(
        "first of \(meetings.count) crossovers, \(way)", unit: "bytes", predicted: nil, measured: meetings[0].bytes)
    }
  }

  /// With an invalidation that is priced as an exit: the published comparison.
  private func addEmulated(_ report: SweepReport, _ placement: PlacementClass?, _ result: inout ShapeResult) {
    for bytes in [4_096, 16_384, 65_536, 131_072] {
      let times = report.results.filter {
        $0.placement?.class == placement && $0.bytes == bytes && $0.direction == .deviceWritable
      }
      guard let mapped = times.first(where: { $0.path == .viommu })?.nsPerBuffer,
        let copied = times.first(where: { $0.path == .swiotlb })?.nsPerBuffer
      else { continue }
      result.add(
        "viommu by swiotlb, \(NumberText.bytes(bytes)), device-writable", unit: "times", predicted: nil,
        measured: .exactly(mapped.median / copied.median))
    }
  }

  private func conclude(_ pairs: [BenchDocument.Crossover], _ result: inout ShapeResult) {
    var failures: [String] = []
    var successes: [String] = []
    for pair in pairs {
      let meetings = pair.meetings
      let copyingWinsSmall = meetings.first.map { $0.cheaperBelow == .swiotlb } ?? false
      let mappingWinsLarge = meetings.last.map { $0.cheaperBelow == .swiotlb } ?? false
      guard copyingWinsSmall, mappingWinsLarge, let first = meetings.first, let last = meetings.last else {
        failures.append("\(pair.direction.name): \(pair.sentence)")
        continue
      }
      guard let predicted = pair.predictedBytes else {
        failures.append("\(pair.direction.name): the primitives predict no crossover")
        continue
      }
      let isNear =
        predicted >= first.bytes.low / Self.tolerance && predicted <= last.bytes.high * Self.tolerance
      let text =
        "\(pair.direction.name) at \(NumberText.grouped(Int(last.bytes.median.rounded()))) bytes, "
        + "\(NumberText.grouped(Int(predicted.rounded()))) predicted"
      if isNear { successes.append(text) } else { failures.append(text) }
    }
    let last = result.measured.last { $0.name.hasPrefix("viommu") }?.estimate.median
    let gain =
      last.map {
        "; with an exit at each map and unmap copying is still \(NumberText.short($0)) times faster at 128 KiB"
      } ?? ""
    if failures.isEmpty {
      result.conclude(true, "copying wins below and mapping above: \(successes.joined(separator: "; "))\(gain)")
    } else {
      let payload =
        [.crossL3, .crossNode].contains(result.conditions.placement)
        ? "; between two caches the payload itself comes and goes, which a copy and a map alone do not show" : ""
      result.conclude(false, (failures + successes).joined(separator: "; ") + payload + gain)
    }
  }
}

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
    var timed = try bench.cases(paths, bytes: Self.bytes, as: [.ring, .mapping], cost)
    // Maps merged per page fragment, as a page_frag of 32 KiB is: a guest of its own for each.
    cost.iommu.mergeBytes = Self.fragment
    timed += try bench.cases([.iommuLazy, .iommuStrict], bytes: Self.bytes, as: [.ring], cost)
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
    guard let ratio = run.ratio(1, to: 0) else { return result.unmeasured }
    let percent = NumberText.fixed(abs(ratio.median - 1) * 100, 1)
    result.conclude(
      ratio.median <= Self.allowance,
      "with a mapping that stays a buffer costs \(percent) % \(ratio.median < 1 ? "less" : "more") than with direct, "
        + "payload written and checked"
    )
    return result
  }
}

/// Shape K: buffers that stay in shared memory win back what bouncing each request loses.
struct KeptBufferShape {
  private static let sizes = [1_500, 65_536]
  // What swiotlb has to cost by direct, or there is nothing to win back.
  private static let loss = 1.05
  // The published words are "most of it".
  private static let share = 0.5

  let bench: ShapeBench
  private let paths = [DMAPath.direct, .swiotlb, .premapped]

  /// One size and direction, and where its cases begin.
  private struct Point {
    let key: CostKey
    let first: Int
    var name: String { "\(NumberText.bytes(key.bytes)), \(key.direction.name)" }
  }

  func measure() throws(BenchError) -> ShapeResult {
    var cost = bench.cost
    cost.paths = paths
    cost.sizes = Self.sizes
    cost.directions = DMADirection.allCases
    var (timed, points): ([BenchCase], [Point]) = ([], [])
    for bytes in Self.sizes {
      for direction in DMADirection.allCases {
        points.append(Point(key: bench.key(.direct, bytes: bytes, direction), first: timed.count))
        // Each point has a guest of its own: a bounce pool and payload of its size.
        cost.sizes = [bytes]
        timed += try bench.cases(paths, bytes: bytes, direction, as: [.ring, .mapping], cost)
      }
    }
    return result(try bench.run(timed: timed, cost), points)
  }

  private func result(_ run: ShapeRun, _ points: [Point]) -> ShapeResult {
    var result = bench.result([.firecracker, .asterinasPool, .shadowBuffers], of: run)
    var (shares, unmeasured): ([(name: String, share: Double)], Int) = ([], 0)
    for point in points {
      let direct = run.time(point.first)?.median
      for (offset, path) in paths.enumerated() where offset > 0 {
        // The mapping alone, less the same loop over nothing.
        let alone = run.difference(
          point.first + paths.count + offset, from: point.first + paths.count, seed: bench.parameters.seed)?.median
        let predicted = direct.flatMap { direct in alone.map { (direct + $0) / direct } }
        result.add(
          "\(point.name): \(path.name) by direct", unit: "times", predicted: predicted,
          measured: run.ratio(point.first + offset, to: point.first))
      }
      let (lost, kept) = (run.ratio(point.first + 1, to: point.first), run.ratio(point.first + 2, to: point.first))
      guard let lost, let kept else {
        unmeasured += 1
        continue
      }
      // Where the device finds a copy in its cache, swiotlb costs no more than direct.
      guard lost.low > Self.loss else { continue }
      let share = (lost.median - kept.median) / (lost.median - 1)
      result.add("\(point.name): share won back", unit: "", predicted: nil, measured: .exactly(share))
      shares.append((point.name, share))
    }
    guard unmeasured < points.count else { return result.unmeasured }
    guard let least = shares.min(by: { $0.share < $1.share }) else {
      result.concludeImpossible("swiotlb costs no more than direct in this placement: there is nothing to win back")
      return result
    }
    result.conclude(
      least.share >= Self.share,
      "buffers that stay in shared memory win back at least \(NumberText.fixed(100 * least.share, 0)) % of what "
        + "swiotlb loses, the least at \(least.name); \(shares.count) of \(points.count) points lose anything")
    return result
  }
}

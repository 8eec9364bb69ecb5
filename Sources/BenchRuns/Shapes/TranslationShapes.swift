import BenchPaths
import BenchPlan
import BenchReport
import RingIOMMU
import RingKit

/// Shape H: a working set that outgrows the IOTLB, translated alone and behind a ring.
struct ReachShape {
  // 64 sets of 4 ways.
  private static let entries = 256
  private static let pages = [64, 128, 256, 512, 1_024]

  let bench: ShapeBench

  /// What is compared: a working set on small pages, and the largest on 2 MiB pages.
  private struct Point {
    let pages: Int
    let isLarge: Bool
    var misses: Double { isLarge || pages <= ReachShape.entries ? 0 : 1 }
    var name: String { "\(NumberText.bytes(pages << 12))\(isLarge ? " on 2 MiB pages" : "")" }
  }

  private var points: [Point] {
    Self.pages.map { Point(pages: $0, isLarge: false) } + [Point(pages: Self.pages.last ?? 0, isLarge: true)]
  }

  func measure() throws(BenchError) -> ShapeResult {
    var timed: [BenchCase] = []
    var counted: [BenchCase] = []
    for form in [CaseForm.ring, .translating] {
      for point in points {
        timed.append(try benchCase(point, form))
        if form == .ring {
          counted.append(try benchCase(point, form, counting: true))
          counted.last?.countedBuffers = 4_096
        }
      }
    }
    return result(try bench.run(timed: timed, counted: counted, bench.cost))
  }

  /// In a guest of its own: the payload is not read, only its address is used.
  private func benchCase(
    _ point: Point, _ form: CaseForm, counting: Bool = false
  ) throws(BenchError) -> BenchCase {
    try bench.make(bench.key(.premapped, bytes: 4_096), form: form, counting: counting) { cost in
      (cost.queueSize, cost.depth) = (1_024, point.pages)
      cost.touch = .none
      cost.iotlbSets = Self.entries / 4
      cost.pageSize = point.isLarge ? .huge : .small
    }
  }

  private func result(_ run: ShapeRun) -> ShapeResult {
    var result = bench.result([.farshin, .neugebauer], of: run)
    let points = points
    for (index, point) in points.enumerated() {
      result.count(
        "\(point.name), misses a buffer", unit: "", predicted: point.misses,
        measured: run.counter(index, WorkEvent.iotlbMisses.rawValue) ?? -1)
    }
    let inside = points.lastIndex { $0.pages <= Self.entries && !$0.isLarge } ?? 0
    let hit = run.time(points.count + inside)
    let miss = run.time(2 * points.count - 2)
    let base = run.time(inside)?.median
    for (index, point) in points.enumerated() {
      result.add(
        "\(point.name), a translation alone", unit: "ns",
        predicted: index == inside ? nil : point.misses == 0 ? hit?.median : nil,
        measured: run.time(points.count + index))
    }
    for (index, point) in points.enumerated() {
      let step = hit.flatMap { hit in miss.map { point.misses * ($0.median - hit.median) } }
      result.add(
        "\(point.name), a buffer through the ring", unit: "ns",
        predicted: index == inside ? nil : base.flatMap { base in step.map { base + $0 } }, measured: run.time(index))
    }
    guard let step = run.ratio(2 * points.count - 2, to: points.count + inside),
      let removed = run.ratio(2 * points.count - 1, to: points.count + inside),
      let ring = run.ratio(points.count - 2, to: inside)
    else { return result.unmeasured }
    result.add("a miss by a hit", unit: "times", predicted: nil, measured: step)
    result.conclude(
      result.countsAreExact && step.low > 1.5 && removed.median < 1.5,
      "the step is where it belongs, at \(NumberText.bytes(Self.entries << 12)): a walk in memory costs "
        + "\(NumberText.fixed(step.median, 1)) times a hit, 2 MiB pages bring it back to "
        + "\(NumberText.fixed(removed.median, 1)); a buffer through the ring costs "
        + "\(NumberText.fixed(ring.median, 2)) times, where a walk over a bus (published, from memory: 330 ns) would "
        + "weigh more"
    )
    return result
  }
}

/// Shape I: translations that another process owns: a hit here, a miss there, and what a ring makes of it.
struct BackendShape {
  // Of 256 entries: all of these fit, none of those is still there when its turn comes again.
  private static let fitting = 128
  private static let cycling = 512
  private static let bytes = 1_500
  private static let range = 10.0...500

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var timed: [BenchCase] = []
    for (path, pages) in [(DMAPath.viommu, Self.fitting), (.viommu, Self.cycling), (.premapped, Self.cycling)] {
      timed.append(try make(path, pages: pages, .translating))
    }
    // Messages alone: a map and an unmap are one each, and no device has entries to forget.
    timed.append(try make(.viommu, pages: Self.fitting, .mapping))
    timed.append(try make(.viommu, pages: Self.cycling, .translating, counts: true))
    let run = try bench.run(timed: Array(timed.prefix(4)), counted: Array(timed.suffix(1)), share: 0.5, bench.cost)
    let rings = try rings()
    return result(run, rings)
  }

  private func make(
    _ path: DMAPath, pages: Int, _ form: CaseForm, counts: Bool = false
  ) throws(BenchError) -> BenchCase {
    // Nothing is invalidated but when it is set up, before the device's thread is there.
    try bench.make(bench.key(path, bytes: 4_096), form: form, servedBy: .waiter, counting: counts) {
      ($0.queueSize, $0.depth) = (1_024, pages)
    }
  }

  /// Direct and viommu through a ring, payload written and checked.
  private func rings() throws(BenchError) -> ShapeRun {
    var cost = bench.cost
    cost.paths = [.direct, .viommu]
    cost.sizes = [Self.bytes]
    return try bench.run(timed: try bench.cases(cost.paths, bytes: Self.bytes, as: [.ring], cost), cost)
  }

  private func result(_ run: ShapeRun, _ rings: ShapeRun) -> ShapeResult {
    var result = bench.result([.asterinas], of: run)
    let message = run.time(3).map { $0.median / 2 }
    result.count(
      "messages a translation beyond the reach", unit: "", predicted: 1,
      measured: run.counter(0, WorkEvent.iotlbMisses.rawValue) ?? -1)
    result.add("a hit", unit: "ns", predicted: nil, measured: run.time(0))
    result.add("a miss that walks in memory", unit: "ns", predicted: nil, measured: run.time(2))
    result.add("a miss that asks another process", unit: "ns", predicted: message, measured: run.time(1))
    guard let ratio = run.ratio(1, to: 0) else { return result.unmeasured }
    result.add(
      "a message by a hit", unit: "times",
      predicted: message.flatMap { message in run.time(0).map { message / $0.median } }, measured: ratio)
    result.add(
      "viommu by direct, 1,500 bytes through a ring", unit: "times", predicted: nil, measured: rings.ratio(1, to: 0))
    let text = "asking another process costs \(NumberText.short(ratio.median)) times a hit"
    if Self.range.contains(ratio.median) || !result.countsAreExact {
      result.conclude(result.countsAreExact, text)
    } else {
      result.conclude(
        false,
        "\(text): a hit in this software IOTLB is a few cycles, and the message wakes a process that sleeps on a socket"
      )
    }
    return result
  }
}

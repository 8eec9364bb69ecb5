#if Bench
import BenchPaths
import BenchPlan
import BenchReport
import RingIOMMU
import RingKit

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
    var factory = try bench.factory(cost)
    var timed: [BenchCase] = []
    for path in cost.paths { timed.append(try factory.make(bench.key(path, bytes: Self.bytes))) }
    return try bench.run(timed: timed, cost)
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
    guard let ratio = run.ratio(1, to: 0) else {
      result.concludeUnmeasured()
      return result
    }
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
#endif

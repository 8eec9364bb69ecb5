#if Bench
import BenchPaths
import BenchPlan
import BenchReport
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
    else {
      result.concludeUnmeasured()
      return result
    }
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
#endif

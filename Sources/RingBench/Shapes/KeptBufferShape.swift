#if Bench
import BenchPaths
import BenchPlan
import BenchReport
import RingKit

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
        var factory = try bench.factory(cost)
        for form in [CaseForm.ring, .mapping] {
          factory.form = form
          for path in paths { timed.append(try factory.make(bench.key(path, bytes: bytes, direction))) }
        }
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
    guard unmeasured < points.count else {
      result.concludeUnmeasured()
      return result
    }
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
#endif

#if Bench
import BenchPaths
import BenchPlan
import BenchReport
import RingKit

/// Shape G: ranges of 32 pages come from the caches, of 64 pages from the tree; each has its entries to write besides.
struct LargeRangeShape {
  private static let sizes = [65_536, 131_072, 262_144]
  private static let depth = 64
  private static let batch = 16
  private static let rounds = 255

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var result = bench.result([.rangeCache, .slowAllocation])
    try addCounts(&result)
    var cost = bench.cost
    cost.paths = [.iommuLazy]
    (cost.depth, cost.batch) = (Self.depth, Self.batch)
    cost.sizes = Self.sizes
    // For each size one thread, then two that share a domain: neither has an IOTLB to wait for.
    var timed: [BenchCase] = []
    for bytes in Self.sizes {
      for hasRival in [false, true] { timed.append(try benchCase(bytes, hasRival: hasRival, cost)) }
    }
    let run = try bench.run(timed: timed, cost)
    result.conditions = run.conditions
    conclude(run, &result)
    return result
  }

  /// Over a real ring, strict so that each range is free again before the next is asked for.
  private func addCounts(_ result: inout ShapeResult) throws(BenchError) {
    for bytes in Self.sizes {
      let counts = try bench.count(bench.key(.iommuStrict, bytes: bytes), rounds: Self.rounds) {
        ($0.depth, $0.batch) = (Self.depth, Self.batch)
      }
      let isCached = bytes <= 131_072
      let maps = counts[.maps]
      result.count(
        "\(NumberText.bytes(bytes)): ranges from the caches, a map", unit: "", predicted: isCached ? 1 : 0,
        measured: Double(counts[.iovaFromMagazine] + counts[.iovaFromDepot]) / Double(maps))
      result.count(
        "\(NumberText.bytes(bytes)): ranges from the tree, a map", unit: "", predicted: isCached ? 0 : 1,
        measured: Double(counts[.iovaFromTree]) / Double(maps))
    }
  }

  private func benchCase(_ bytes: Int, hasRival: Bool, _ cost: CostParameters) throws(BenchError) -> BenchCase {
    let guest = try BenchGuest(cost)
    let plan = LoadPlan(
      direction: .deviceReadable, bytes: bytes, depth: Self.depth, batch: Self.batch, touch: .none, segments: 1,
      payload: PayloadPool(guest.sharedPayload, bytes: bytes))
    return .lazyMaps(plan, in: guest, hasRival: hasRival)
  }

  private func conclude(_ run: ShapeRun, _ result: inout ShapeResult) {
    let alone = Self.sizes.indices.map { run.time(2 * $0) }
    let crowded = Self.sizes.indices.map { run.time(2 * $0 + 1) }
    guard let small = alone[0]?.median, let cached = alone[1]?.median, let tree = alone[2],
      let shared = run.ratio(5, to: 4), let cachedShared = run.ratio(3, to: 2)
    else { return result.concludeUnmeasured() }
    // 16 more entries from 64 to 128 KiB, 32 more from there on: written and cleared alike.
    let predicted = cached + 2 * (cached - small)
    for (index, bytes) in Self.sizes.enumerated() {
      result.add(
        "\(NumberText.bytes(bytes)), map and unmap", unit: "ns", predicted: index == 2 ? predicted : nil,
        measured: alone[index])
      result.add("\(NumberText.bytes(bytes)), two threads", unit: "ns", predicted: nil, measured: crowded[index])
    }
    result.add("128 KiB, two threads by one", unit: "times", predicted: 1, measured: cachedShared)
    result.add("256 KiB, two threads by one", unit: "times", predicted: 2, measured: shared)
    let price = tree.median - predicted
    let text =
      "counts are exact; beyond 128 KiB the tree costs \(NumberText.short(price)) ns on top of the entries, and a "
      + "second thread makes it \(NumberText.fixed(shared.median, 2)) times as expensive under its one lock (cached "
      + "ranges \(NumberText.fixed(cachedShared.median, 2)) times)"
    result.conclude(result.countsAreExact && tree.low > predicted && shared.median > cachedShared.median, text)
  }
}
#endif

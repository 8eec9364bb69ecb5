import BenchPaths
import BenchPlan
import BenchReport
import CRing
import RingIOMMU
import RingKit

/// Shape C: invalidations are counted, on one thread so that nothing depends on time, and their price is timed.
struct InvalidationShape {
  private static let bytes = 1_500
  private static let batch = 16
  // 4,080 buffers, 16 times what fills the flush queue.
  private static let rounds = 255

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var result = bench.result([.flushQueue, .vIOMMU, .strictMinusLazy])
    var unmaps: UInt64 = 0
    for path in [DMAPath.iommuStrict, .iommuLazy] {
      let counts = try Self.count(path, bench)
      unmaps = counts[.unmaps]
      let each = path == .iommuStrict ? 1.0 : 1.0 / 255
      result.count(
        "invalidations of \(NumberText.grouped(Int(unmaps))) unmaps, \(path.name)", unit: "",
        predicted: (Double(unmaps) * each).rounded(), measured: Double(counts[.invalidations]))
      result.count(
        "invalidations per unmap, \(path.name)", unit: "", predicted: each,
        measured: Double(counts[.invalidations]) / Double(unmaps))
    }
    try addTimer(&result)
    try addPrice(&result)
    result.conclude(
      result.countsAreExact && unmaps == UInt64(Self.batch * Self.rounds),
      result.countsAreExact
        ? "strict invalidates at each unmap, lazy once per 255 and after 10 ms, counted over a real ring on one "
          + "thread; an invalidation here is a request that the device's thread answers, the least that a real one "
          + "can cost"
        : "the counts are not what the flush queue's constants say")
    return result
  }

  /// The work of 4,080 buffers of a path, served in place and with a timer that never strikes.
  static func count(_ path: DMAPath, _ bench: ShapeBench) throws(BenchError) -> WorkCounts {
    try bench.count(bench.key(path, bytes: bytes), rounds: rounds) { $0.batch = batch }
  }

  /// Ten unmaps that never fill the queue: when they are flushed.
  private func addTimer(_ result: inout ShapeResult) throws(BenchError) {
    let guest = try BenchGuest(bench.cost)
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: guest.memory, configuration: configuration)
    var mapper = IOMMUMapper(domain: domain, policy: .lazy, counter: CountedWork())
    let segment = PayloadPool(guest.sharedPayload, bytes: Self.bytes).segment(0)
    do throws(DMAError) {
      let start = cring_nanoseconds()
      for _ in 0..<10 { try mapper.unmap(try mapper.map(segment, .deviceReadable).mapping, .deviceReadable) }
      let started = cring_nanoseconds()
      while mapper.work.counts[.invalidations] == 0 && cring_nanoseconds() &- started < 1_000_000_000 {
        try mapper.poll()
      }
      let waited = Double(cring_nanoseconds() &- start) / 1e6
      result.count(
        "invalidations of 10 unmaps and a wait", unit: "", predicted: 1,
        measured: Double(mapper.work.counts[.invalidations]))
      result.add("until they are flushed", unit: "ms", predicted: 10, measured: .exactly(waited))
      try mapper.flush()
    } catch { throw .check("iommu-lazy: \(error)") }
  }

  /// What the invalidation is worth in a run of two threads.
  private func addPrice(_ result: inout ShapeResult) throws(BenchError) {
    var cost = bench.cost
    cost.paths = [.iommuStrict, .iommuLazy]
    cost.sizes = [Self.bytes]
    cost.touch = .none
    let timed = try bench.cases(cost.paths, bytes: Self.bytes, as: [.ring, .mapping], cost)
    let run = try bench.run(timed: timed, cost)
    result.conditions = run.conditions
    result.add(
      "strict minus lazy, a buffer", unit: "ns",
      predicted: run.difference(2, from: 3, seed: bench.parameters.seed)?.median,
      measured: run.difference(0, from: 1, seed: bench.parameters.seed))
  }
}

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

/// Shape J: the table of an indirect chain is one more segment to map.
struct IndirectShape {
  private static let bytes = 1_536
  private static let batch = 16
  private static let rounds = 255
  private static let chains = [2, 4, 8, 16]

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var result = bench.result([.indirectTable])
    for path in [DMAPath.identity, .iommuStrict, .swiotlb] {
      for chain in Self.chains {
        let counts = try Self.count(path, chain: chain, isIndirect: true, bench)
        result.count(
          "\(path.name), maps of an indirect chain of \(chain)", unit: "", predicted: Double(chain + 1),
          measured: Double(counts[.maps]) / Double(Self.batch * Self.rounds))
      }
    }
    let plain = try Self.count(.identity, chain: 4, isIndirect: false, bench)
    result.count(
      "identity, maps of a chain of 4 in the ring", unit: "", predicted: 4,
      measured: Double(plain[.maps]) / Double(Self.batch * Self.rounds))
    let bounced = try Self.count(.swiotlb, chain: 4, isIndirect: true, bench)
    result.count(
      "swiotlb, bytes copied in of an indirect chain of 4", unit: "bytes", predicted: Double(Self.bytes + 4 * 16),
      measured: Double(bounced[.bytesCopiedIn]) / Double(Self.batch * Self.rounds))
    try addPrice(&result)
    result.conclude(
      result.countsAreExact,
      result.countsAreExact
        ? "a chain of n counts n + 1 maps on every path that maps or bounces, and its table is copied where all is "
          + "bounced"
        : "the counts are not n + 1")
    return result
  }

  /// The work of 4,080 chains over a real ring on one thread.
  static func count(
    _ path: DMAPath, chain: Int, isIndirect: Bool, _ bench: ShapeBench
  ) throws(BenchError) -> WorkCounts {
    try bench.count(bench.key(path, bytes: bytes), rounds: rounds) {
      set(&$0, chain: chain, isIndirect: isIndirect)
    }
  }

  private static func set(_ cost: inout CostParameters, chain: Int, isIndirect: Bool) {
    cost.batch = batch
    // A chain of 16 in the ring itself takes that many of its descriptors.
    cost.depth = batch
    cost.chain = chain
    cost.features = isIndirect ? [.indirect] : []
  }

  /// A chain of 4 through a table, and in the ring: what the table costs on each path.
  private func addPrice(_ result: inout ShapeResult) throws(BenchError) {
    let paths = [DMAPath.direct, .identity, .iommuStrict, .swiotlb]
    var timed: [BenchCase] = []
    for path in paths {
      for isIndirect in [true, false] {
        let benchCase = try bench.make(bench.key(path, bytes: Self.bytes)) { cost in
          Self.set(&cost, chain: 4, isIndirect: isIndirect)
          cost.touch = .none
        }
        timed.append(benchCase)
      }
    }
    // One more map of 64 bytes.
    for path in paths {
      let benchCase = try bench.make(bench.key(path, bytes: 64), form: .mapping) {
        Self.set(&$0, chain: 1, isIndirect: false)
      }
      timed.append(benchCase)
    }
    let run = try bench.run(timed: timed, bench.cost)
    result.conditions = run.conditions
    let seed = bench.parameters.seed
    let bare = run.difference(0, from: 1, seed: seed)?.median
    for (index, path) in paths.enumerated() {
      let map = run.difference(2 * paths.count + index, from: 2 * paths.count, seed: seed)?.median
      result.add(
        "\(path.name), a table of 4 against 4 descriptors", unit: "ns",
        predicted: path == .direct ? nil : bare.flatMap { bare in map.map { bare + $0 } },
        measured: run.difference(2 * index, from: 2 * index + 1, seed: seed))
    }
  }
}

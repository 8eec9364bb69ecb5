#if Bench
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
    var factory = try bench.factory(cost)
    var timed: [BenchCase] = []
    for form in [CaseForm.ring, .mapping] {
      factory.form = form
      for path in cost.paths { timed.append(try factory.make(bench.key(path, bytes: Self.bytes))) }
    }
    let run = try bench.run(timed: timed, cost)
    result.conditions = run.conditions
    result.add(
      "strict minus lazy, a buffer", unit: "ns",
      predicted: run.difference(2, from: 3, seed: bench.parameters.seed)?.median,
      measured: run.difference(0, from: 1, seed: bench.parameters.seed))
  }
}
#endif

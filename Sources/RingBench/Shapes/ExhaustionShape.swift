#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import RingKit

/// Shape F: a ring over a pool that is too small: how many maps fail, and whether it recovers.
struct ExhaustionShape {
  /// A pool, and what is asked of it.
  private static let cases = [
    (poolKiB: 256, depth: 256, bytes: 1_500), (poolKiB: 1_024, depth: 256, bytes: 1_500),
    (poolKiB: 1_024, depth: 256, bytes: 4_096), (poolKiB: 1_024, depth: 256, bytes: 6_000),
    (poolKiB: 1_024, depth: 64, bytes: 65_536), (poolKiB: 4_096, depth: 64, bytes: 65_536),
    (poolKiB: 1_024, depth: 8, bytes: 262_144),
  ]

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var result = bench.result([.bounceLimits])
    do {
      for (poolKiB, depth, bytes) in Self.cases {
        let outcome = try ExhaustFill.fill(poolKiB: poolKiB, depth: depth, bytes: bytes)
        result.count(
          "failed of \(depth) maps of \(NumberText.grouped(bytes)) bytes, pool \(NumberText.bytes(poolKiB << 10))",
          unit: "", predicted: Double(max(0, depth - ExhaustFill.capacity(poolKiB: poolKiB, bytes: bytes))),
          measured: Double(outcome.failed))
        result.count(
          "back in order, then as many again, pool \(NumberText.bytes(poolKiB << 10)), \(NumberText.grouped(bytes)) "
            + "bytes",
          unit: "", predicted: Double(outcome.added), measured: Double(outcome.recovered))
      }
      let ceiling = try ExhaustFill.fill(poolKiB: 1_024, depth: 1, bytes: SwiotlbPool.maximumMappingByteCount)
      let beyond = try ExhaustFill.fill(poolKiB: 1_024, depth: 1, bytes: SwiotlbPool.maximumMappingByteCount + 1)
      result.count("failed of 1 map of 262,144 bytes", unit: "", predicted: 0, measured: Double(ceiling.failed))
      result.count("failed of 1 map of 262,145 bytes", unit: "", predicted: 1, measured: Double(beyond.failed))
      result.conclude(
        result.countsAreExact && beyond.refusal == .tooLarge(byteCount: 262_145, maximum: 262_144),
        "what does not fit is refused before anything is visible to the device, what was added comes back in order, "
          + "and the pool then takes as many again"
      )
    } catch { throw .check("the exhausted pool: \(error)") }
    return result
  }
}
#endif

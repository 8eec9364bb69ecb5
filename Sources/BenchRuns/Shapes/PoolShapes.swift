import BenchPaths
import BenchPlan
import BenchReport
import RingKit

/// Shape E: two threads bounce through one pool, with one area and with two.
struct AreasShape {
  private static let sizes = [64, 1_500]
  private static let poolBytes = 4 << 20
  // Less than this is no difference that a lock makes.
  private static let leastGain = 1.1

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var cost = bench.cost
    cost.sizes = Self.sizes
    var timed: [BenchCase] = []
    do {
      for bytes in Self.sizes {
        timed.append(try benchCase(bytes, areas: 1, hasRival: false))
        timed.append(try benchCase(bytes, areas: 1, hasRival: true))
        timed.append(try benchCase(bytes, areas: 2, hasRival: true))
      }
    } catch {
      throw error as? BenchError ?? .machine("the bounce pools cannot be had: \(error)")
    }
    return result(try bench.run(timed: timed, cost))
  }

  private func benchCase(_ bytes: Int, areas: Int, hasRival: Bool) throws -> BenchCase {
    // Without a high-water mark, which is one line for all areas.
    let shared = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: Self.poolBytes)
    let stride = Payload.stride(for: bytes) * 128
    let hidden = try MemoryRegion(at: GuestPhysicalAddress(16 << 30), byteCount: 2 * stride, isShared: false)
    let memory = try GuestMemory([shared, hidden])
    var allocator = RegionAllocator(shared)
    let pool = try SwiotlbPool(
      try allocator.allocate(Self.poolBytes, alignment: 4096), areaCount: areas, tracksHighWater: false)
    var payloads = RegionAllocator(hidden)
    let own = plan(bytes, try payloads.allocate(stride, alignment: 64))
    let other = plan(bytes, try payloads.allocate(stride, alignment: 64))
    let label = "\(bytes) bytes, \(areas) areas"
    return .bounces(label, own, rival: hasRival ? other : nil, memory: memory, pool: pool)
  }

  private func plan(_ bytes: Int, _ buffer: GuestBuffer) -> LoadPlan {
    LoadPlan(
      direction: .deviceReadable, bytes: bytes, depth: 128, batch: 32, touch: .none, segments: 1,
      payload: PayloadPool(buffer, bytes: bytes))
  }

  private func result(_ run: ShapeRun) -> ShapeResult {
    var result = bench.result([.lockSplit, .globalLock, .firecracker], of: run)
    var gains: [(bytes: Int, gain: Estimate)] = []
    for (index, bytes) in Self.sizes.enumerated() {
      let (alone, one, two) = (3 * index, 3 * index + 1, 3 * index + 2)
      let free = run.time(alone)?.median
      // With one lock each map and each unmap waits for the line that the other CPU has just written.
      let handover = run.conditions.roundTrip.map { 2 * $0 }
      let crowded = free.flatMap { free in handover.map { free + $0 } }
      result.add("\(bytes) B, one CPU", unit: "ns", predicted: nil, measured: run.time(alone))
      result.add("\(bytes) B, two CPUs, one area", unit: "ns", predicted: crowded, measured: run.time(one))
      result.add("\(bytes) B, two CPUs, two areas", unit: "ns", predicted: free, measured: run.time(two))
      guard let gain = run.ratio(one, to: two) else { continue }
      result.add(
        "\(bytes) B, gain of two areas", unit: "times",
        predicted: crowded.flatMap { crowded in free.map { crowded / $0 } }, measured: gain)
      gains.append((bytes, gain))
    }
    guard gains.count == Self.sizes.count else { return result.unmeasured }
    let text = gains.map { "\(NumberText.fixed($0.gain.median, 2)) times at \($0.bytes) bytes" }
    result.conclude(
      gains.allSatisfy { $0.gain.low > Self.leastGain },
      "an area per CPU gives \(text.joined(separator: ", ")) (published: 1.7 with many CPUs); two threads that do "
        + "nothing but bounce, which is the worst that two CPUs can do to one lock"
    )
    return result
  }
}

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

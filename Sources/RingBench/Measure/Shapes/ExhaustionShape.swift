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
  private static let ringSize = 256

  private let bench: ShapeBench

  init(_ bench: ShapeBench) { self.bench = bench }

  func measure() throws(BenchError) -> ShapeResult {
    var result = ShapeResult(bench.shape, published: [.bounceLimits])
    do {
      for (poolKiB, depth, bytes) in Self.cases {
        let outcome = try Self.fill(poolKiB: poolKiB, depth: depth, bytes: bytes)
        result.count(
          "failed of \(depth) maps of \(NumberText.grouped(bytes)) bytes, pool \(NumberText.bytes(poolKiB << 10))",
          unit: "", predicted: Double(max(0, depth - Self.capacity(poolKiB: poolKiB, bytes: bytes))),
          measured: Double(outcome.failed))
        result.count(
          "back in order, then as many again, pool \(NumberText.bytes(poolKiB << 10)), \(NumberText.grouped(bytes)) bytes",
          unit: "", predicted: Double(outcome.added), measured: Double(outcome.recovered))
      }
      let ceiling = try Self.fill(poolKiB: 1_024, depth: 1, bytes: SwiotlbPool.maximumMappingByteCount)
      let beyond = try Self.fill(poolKiB: 1_024, depth: 1, bytes: SwiotlbPool.maximumMappingByteCount + 1)
      result.count("failed of 1 map of 262,144 bytes", unit: "", predicted: 0, measured: Double(ceiling.failed))
      result.count("failed of 1 map of 262,145 bytes", unit: "", predicted: 1, measured: Double(beyond.failed))
      result.conclude(
        result.countsAreExact && beyond.refusal == .tooLarge(byteCount: 262_145, maximum: 262_144),
        "what does not fit is refused before anything is visible to the device, what was added comes back in order, and the pool then takes as many again"
      )
    } catch { throw .check("the exhausted pool: \(error)") }
    return result
  }

  /// Buffers of a size that a pool can hold: whole ones in each segment, on whole pages from a page on.
  static func capacity(poolKiB: Int, bytes: Int) -> Int {
    let slots = (bytes + SwiotlbPool.slotByteCount - 1) / SwiotlbPool.slotByteCount
    let stride = bytes >= 4096 ? (slots + 1) / 2 * 2 : slots
    return (poolKiB << 10) / SwiotlbPool.maximumMappingByteCount * (SwiotlbPool.segmentSlotCount / stride)
  }

  /// What became of so many buffers offered at once, and of as many again after they came back.
  static func fill(
    poolKiB: Int, depth: Int, bytes: Int
  ) throws -> (added: Int, failed: Int, recovered: Int, refusal: DMAError?) {
    let shared = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: poolKiB << 10 + 1 << 20)
    let stride = PayloadPool.stride(for: bytes)
    let hidden = try MemoryRegion(
      at: GuestPhysicalAddress(16 << 30), byteCount: stride * depth, visibility: .private)
    let memory = try GuestMemory([shared, hidden])
    var allocator = RegionAllocator(shared)
    let pool = try SwiotlbPool(try allocator.allocate(poolKiB << 10, alignment: 4096))
    let ring = try SplitRing(
      in: try allocator.allocate(SplitRing.byteCount(size: ringSize), alignment: 4096), size: ringSize)
    var payloads = RegionAllocator(hidden)
    let buffers = PayloadPool(try payloads.allocate(stride * depth, alignment: 4096), bytes: bytes)
    let configuration = QueueConfiguration(size: ringSize, features: [.version1, .accessPlatform])
    var driver = try SplitDriverQueue(
      configuration, ring: ring, mapper: SwiotlbMapper(memory: memory, pool: pool, cpu: 0, counter: NoWork()))
    var device = try SplitDeviceQueue(
      configuration, ring: ring, translator: RegionTranslator(memory: memory, counter: NoWork()))

    var refusal: DMAError?
    var counts: [(added: Int, back: Int)] = []
    for _ in 0..<2 {
      var tokens: [UInt64] = []
      for i in 0..<depth {
        do throws(QueueError) {
          if try driver.add(buffers.segment(i), .deviceReadable, token: UInt64(i)) == .added {
            tokens.append(UInt64(i))
          }
        } catch {
          guard case .mapping(let error) = error else { throw error }
          refusal = error
        }
      }
      driver.publish()
      _ = try device.serve(atMost: depth) { _, _ throws(Never) in 0 }
      var back: [UInt64] = []
      while let completion = try driver.nextUsed() { back.append(completion.token) }
      counts.append((tokens.count, back == tokens ? back.count : -1))
    }
    let recovered = counts[0].back == counts[0].added && counts[1].added == counts[0].added ? counts[1].back : -1
    return (counts[0].added, depth - counts[0].added, recovered, refusal)
  }
}

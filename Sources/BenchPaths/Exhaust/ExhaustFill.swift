import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// A pool filled by one burst of buffers on a split ring, on one thread.
package enum ExhaustFill {
  private static let ringSize = 256

  /// Buffers of a size that a pool can hold: whole ones in each segment, on whole pages from a page on.
  package static func capacity(poolKiB: Int, bytes: Int) -> Int {
    let slots = (bytes + SwiotlbPool.slotByteCount - 1) / SwiotlbPool.slotByteCount
    let stride = bytes >= 4096 ? (slots + 1) / 2 * 2 : slots
    return (poolKiB << 10) / SwiotlbPool.maximumMappingByteCount * (SwiotlbPool.segmentSlotCount / stride)
  }

  /// What became of so many buffers offered at once, and of as many again after they came back.
  package static func fill(
    poolKiB: Int, depth: Int, bytes: Int
  ) throws -> (added: Int, failed: Int, recovered: Int, refusal: DMAError?) {
    let shared = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: poolKiB << 10 + 1 << 20)
    let stride = Payload.stride(for: bytes)
    let hidden = try MemoryRegion(
      at: GuestPhysicalAddress(16 << 30), byteCount: stride * depth, isShared: false)
    let memory = try GuestMemory([shared, hidden])
    var allocator = RegionAllocator(shared)
    let pool = try SwiotlbPool(try allocator.allocate(poolKiB << 10, alignment: 4096))
    let ring = try SplitRing(
      in: try allocator.allocate(SplitRing.byteCount(size: ringSize), alignment: 4096), size: ringSize)
    var payloads = RegionAllocator(hidden)
    let buffers = PayloadPool(try payloads.allocate(stride * depth, alignment: 4096), bytes: bytes)
    let configuration = QueueConfiguration(size: ringSize, features: [.version1, .accessPlatform])
    var driver = try SplitDriverQueue(
      configuration, ring: ring,
      mapper: CalledMapper(SwiotlbMapper(memory: memory, pool: pool, cpu: 0, counter: UncountedWork())))
    var device = try SplitDeviceQueue(
      configuration, ring: ring, translator: RegionTranslator(memory: memory, counter: UncountedWork()))

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

import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// Sets up the two ends of a ring for a point of the sweep: one `switch` per property that changes types.
package struct RingCaseFactory {
  private static let bytesPerSegment = 64

  private let memory: GuestMemory
  private let payload: GuestBuffer
  private var rings: RegionAllocator

  package init(_ points: [RingPoint]) throws(BenchError) {
    var ringBytes = 0
    var payloadBytes = 4096
    for point in points {
      // The ring begins with a page, its indirect tables with a pair of lines.
      ringBytes += point.ring.byteCount(size: point.queueSize) + 4096 + 16 * point.queueSize * point.chain + 128
      payloadBytes = max(payloadBytes, Payload.stride(for: Self.bytes(point)) * point.outstanding)
    }
    do throws(MemoryError) {
      // Twice: a counted twin of each runs before the timed ones.
      let ringRegion = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 2 * ringBytes)
      let payloadRegion = try MemoryRegion(at: GuestPhysicalAddress(4 << 30), byteCount: payloadBytes)
      memory = try GuestMemory([ringRegion, payloadRegion])
      rings = RegionAllocator(ringRegion)
      var allocator = RegionAllocator(payloadRegion)
      payload = try allocator.allocate(payloadBytes, alignment: 4096)
    } catch {
      throw .machine("the guest's memory cannot be had: \(error)")
    }
  }

  /// A case of `direct` for a point; what counts is never timed, so no code is compiled for it alone.
  package mutating func make(_ point: RingPoint, counting: Bool = false) throws(BenchError) -> BenchCase {
    counting ? try make(point, Self.hiddenCounter()) : try make(point, UncountedWork())
  }

  @inline(never)
  private static func hiddenCounter() -> any WorkCounter { CountedWork() }

  private mutating func make(_ point: RingPoint, _ counter: some WorkCounter) throws(BenchError) -> BenchCase {
    do {
      let configuration = QueueConfiguration(
        size: point.queueSize, features: point.features, indirectCapacity: min(point.chain, point.queueSize))
      let tables: GuestBuffer? =
        configuration.indirectByteCount > 0
        ? try rings.allocate(configuration.indirectByteCount, alignment: 128) : nil
      let plan = LoadPlan(
        direction: .deviceReadable, bytes: Self.bytes(point), depth: point.outstanding, batch: point.batch,
        touch: .none, segments: point.chain, payload: PayloadPool(payload, bytes: Self.bytes(point)),
        looksAtEvents: point.eventIndex || point.notification != .polling,
        doorbells: point.notification == .eventfd ? try Doorbells() : nil)
      let ring = try RingMemory(
        point.ring, in: rings.allocate(point.ring.byteCount(size: point.queueSize), alignment: 4096),
        size: point.queueSize)
      let driver = try DriverEnd(
        plan, configuration, ring, tables: tables, DirectMapper(memory: memory, counter: counter))
      let device = try DeviceEnd(
        .ring(plan, configuration, ring), RegionTranslator(memory: memory, counter: counter))
      let benchCase = BenchCase(point.label, driver, device)
      benchCase.warmingBuffers = plan.depth
      benchCase.wakeDevice = plan.doorbells.map { doorbells in { doorbells.kick.ring() } }
      return benchCase
    } catch {
      throw error as? BenchError ?? .machine("\(point.label) cannot be set up: \(error)")
    }
  }

  private static func bytes(_ point: RingPoint) -> Int { bytesPerSegment * point.chain }
}

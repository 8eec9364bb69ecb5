import RingKit

/// Sets up the two ends of a ring for a point of the sweep: one `switch` per property that changes types.
struct RingContenderFactory {
  private static let bytesPerSegment = 64

  private let memory: GuestMemory
  private let payload: GuestBuffer
  private var rings: RegionAllocator

  init(_ points: [RingPoint]) throws(BenchError) {
    var ringBytes = 0
    var payloadBytes = 4096
    for point in points {
      ringBytes += SplitRing.byteCount(size: point.queueSize) + 16 * point.queueSize * point.chain + 1024
      payloadBytes = max(payloadBytes, PayloadPool.stride(for: Self.bytes(point)) * point.outstanding)
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

  mutating func make<Counter: WorkCounter>(_ point: RingPoint, counter: Counter) throws(BenchError) -> Contender {
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
      let translator = RegionTranslator(memory: memory, counter: counter)
      switch point.ring {
      case .split:
        let ring = try SplitRing(
          in: rings.allocate(SplitRing.byteCount(size: point.queueSize), alignment: 4096), size: point.queueSize)
        return Contender(
          point.label, plan,
          try SplitDriverQueue(
            configuration, ring: ring, indirectTables: tables, mapper: DirectMapper(counter: counter)),
          try SplitDeviceQueue(configuration, ring: ring, translator: translator))
      case .packed:
        let ring = try PackedRing(
          in: rings.allocate(PackedRing.byteCount(size: point.queueSize), alignment: 4096), size: point.queueSize)
        return Contender(
          point.label, plan,
          try PackedDriverQueue(
            configuration, ring: ring, indirectTables: tables, mapper: DirectMapper(counter: counter)),
          try PackedDeviceQueue(configuration, ring: ring, translator: translator))
      }
    } catch let error as BenchError {
      throw error
    } catch {
      throw .machine("\(point.label) cannot be set up: \(error)")
    }
  }

  private static func bytes(_ point: RingPoint) -> Int { bytesPerSegment * point.chain }
}

package import RingKit
internal import RingKitTesting
internal import Synchronization
internal import Testing

/// Queues that share what their path shares: a domain with its invalidation queue, or a bounce pool.
package enum SeveralQueues {
  /// Buffers that each queue exchanges.
  package static let buffers = 400
  private static let depth = 16
  package static let bytes = 1_500

  /// One queue's part of the guest.
  package struct Part: Sendable {
    package let ring: GuestBuffer
    package let payload: GuestBuffer
  }

  package struct Guest: Sendable {
    package let memory: GuestMemory
    package let parts: [Part]
    package let pool: SwiotlbPool

    package init(queues: Int, areas: Int) throws {
      let ringBytes = SplitRing.byteCount(size: 32) + PackedRing.byteCount(size: 32) + 8_192
      let payloadBytes = depth * 2_048
      let region = try MemoryRegion(
        at: GuestPhysicalAddress(1 << 30), byteCount: queues * (ringBytes + payloadBytes + 8_192))
      let bounce = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: 1 << 20)
      memory = try GuestMemory([region, bounce])
      var allocator = RegionAllocator(region)
      var parts: [Part] = []
      for _ in 0..<queues {
        parts.append(
          Part(
            ring: try allocator.allocate(ringBytes, alignment: 4096),
            payload: try allocator.allocate(payloadBytes, alignment: 2048)))
      }
      self.parts = parts
      var bounces = RegionAllocator(bounce)
      pool = try SwiotlbPool(bounces.allocate(1 << 20, alignment: 4096), areaCount: areas)
    }
  }

  /// Both ends of one queue.
  package static func ends<Mapper: ResumableMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ layout: RingLayout, _ part: Part, _ mapper: consuming Mapper, _ translator: consuming Translator
  ) throws -> (driver: DriverEnd, device: DeviceEnd) {
    switch layout {
    case .split:
      let configuration = QueueConfiguration(size: 32, features: [.version1, .accessPlatform])
      let ring = try SplitRing(in: part.ring, size: 32)
      return (
        DriverBox(try SplitDriverQueue(configuration, ring: ring, mapper: mapper)),
        DeviceBox(try SplitDeviceQueue(configuration, ring: ring, translator: translator))
      )
    case .packed:
      let configuration = QueueConfiguration(size: 32, features: [.version1, .accessPlatform, .packedRing])
      let ring = try PackedRing(in: part.ring, size: 32)
      return (
        DriverBox(try PackedDriverQueue(configuration, ring: ring, mapper: mapper)),
        DeviceBox(try PackedDeviceQueue(configuration, ring: ring, translator: translator))
      )
    }
  }

  /// Every queue's buffers round, each byte checked on both sides; returns what the drivers did.
  package static func exchange(_ ends: [(driver: DriverEnd, device: DeviceEnd)], _ guest: Guest) -> WorkCounts {
    let isOver = Flag()
    let devices = TestThread {
      var served = [UInt64](repeating: 0, count: ends.count)
      do {
        while !isOver.word.load(ordering: .acquiring) {
          for (queue, end) in ends.enumerated() {
            let count = try end.device.serve(atMost: 8) { chain, segments in
              try Self.transfer(Self.mark(queue, served[queue]), segments)
              served[queue] += 1
              return UInt32(chain.writableByteCount)
            }
            _ = count
            end.device.service()
          }
        }
      } catch { Issue.record(error) }
    }
    let drivers = ends.enumerated().map { (queue, end) in
      TestThread { do { try Self.drive(end.driver, guest.parts[queue], queue) } catch { Issue.record(error) } }
    }
    for driver in drivers { driver.join() }
    isOver.word.store(true, ordering: .releasing)
    devices.join()
    return ends.map(\.driver.counts).reduce(WorkCounts(), +)
  }

  private static func drive(_ driver: DriverEnd, _ part: Part, _ queue: Int) throws {
    var (added, returned) = (0, 0)
    while returned < buffers {
      while added < buffers, added - returned < depth {
        let direction: DMADirection = added % 2 == 0 ? .deviceReadable : .deviceWritable
        let offset = added % depth * 2_048
        let fill = direction == .deviceReadable ? mark(queue, UInt64(added)) : 0
        unsafe UnsafeMutableRawBufferPointer(rebasing: part.payload.bytes[offset..<offset + bytes])
          .initializeMemory(as: UInt8.self, repeating: fill)
        let result = try driver.add(
          part.payload.segment(at: offset, length: bytes), direction, token: UInt64(added))
        guard result == .added else { throw Wrong.full }
        added += 1
      }
      driver.publish()
      for completion in try driver.reclaim() {
        guard completion.token == UInt64(returned) else { throw Wrong.order(completion.token) }
        let offset = returned % depth * 2_048
        let found = unsafe UnsafeMutableRawBufferPointer(rebasing: part.payload.bytes[offset..<offset + bytes])
        guard unsafe isFilled(found, with: mark(queue, completion.token)) else { throw Wrong.bytes(completion.token) }
        returned += 1
      }
      try driver.poll()
    }
    try driver.flush()
  }

  private static func transfer(_ mark: UInt8, _ segments: [TranslatedSegment]) throws {
    for segment in segments {
      let bytes = unsafe UnsafeMutableRawBufferPointer(start: segment.host.pointer, count: segment.byteCount)
      if segment.access == .deviceWritable {
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: mark)
      } else if unsafe !isFilled(bytes, with: mark) {
        throw Wrong.bytes(UInt64(mark))
      }
    }
  }

  private static func mark(_ queue: Int, _ number: UInt64) -> UInt8 {
    UInt8(truncatingIfNeeded: number &* 7 &+ UInt64(queue) &* 61 &+ 1)
  }

  private final class Flag: Sendable {
    let word = Atomic<Bool>(false)
  }

  private enum Wrong: Error {
    case full
    case order(UInt64)
    case bytes(UInt64)
  }
}

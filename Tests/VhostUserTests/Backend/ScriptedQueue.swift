import RingKit
import Testing
import VhostUser

/// The driver's end of one queue behind a scripted front-end, of the layout that its features say.
final class ScriptedQueue {
  typealias Split = SplitDriverQueue<DirectMapper<UncountedWork>>
  typealias Packed = PackedDriverQueue<DirectMapper<UncountedWork>>

  private var split: Split? = nil
  private var packed: Packed? = nil
  let parts: (GuestPhysicalAddress, available: GuestPhysicalAddress, used: GuestPhysicalAddress)

  init<Device>(_ frontend: ScriptedFrontend<Device>, features: VirtioFeatures, size: Int) throws {
    let configuration = QueueConfiguration(size: size, features: features)
    let tables =
      features.contains(.indirectDescriptors)
      ? try frontend.allocator.allocate(configuration.indirectByteCount, alignment: 16) : nil
    let isPacked = features.contains(.packedRing)
    let count = isPacked ? PackedRing.byteCount(size: size) : SplitRing.byteCount(size: size)
    let memory = try frontend.allocator.allocate(count, alignment: 4096)
    let mapper = DirectMapper(memory: try GuestMemory([frontend.region]), counter: UncountedWork())
    if isPacked {
      let ring = try PackedRing(in: memory, size: size)
      ring.clear()
      parts = (ring.addresses.descriptors, ring.addresses.driverEvent, ring.addresses.deviceEvent)
      packed = try Packed(configuration, ring: ring, indirectTables: tables, mapper: mapper)
    } else {
      let ring = try SplitRing(in: memory, size: size)
      ring.clear()
      parts = ring.addresses
      split = try Split(configuration, ring: ring, indirectTables: tables, mapper: mapper)
    }
  }

  /// Makes one buffer available.
  func add(readable: [MemorySegment] = [], writable: [MemorySegment] = [], token: UInt64) throws {
    let added =
      if packed != nil {
        try packed?.add(readable: readable.span, writable: writable.span, token: token)
      } else {
        try split?.add(readable: readable.span, writable: writable.span, token: token)
      }
    #expect(added == .added)
    packed?.publish()
    split?.publish()
  }

  func nextUsed() throws -> Completion? {
    if packed != nil { return try packed?.nextUsed() }
    return try split?.nextUsed()
  }

  /// All that came back: which buffer, and how many bytes were written.
  func used() throws -> [Completion] {
    var list: [Completion] = []
    while let next = try nextUsed() { list.append(next) }
    return list
  }
}

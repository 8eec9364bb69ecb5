import RingKit
import Testing
import VhostUser

/// Drives the pairs of queues of a network device behind a scripted front-end, a step at a time.
final class FrameDriver {
  typealias Split = SplitDriverQueue<DirectMapper<NoWork>>
  typealias Packed = PackedDriverQueue<DirectMapper<NoWork>>

  /// One queue, of either layout.
  final class Queue {
    var split: Split? = nil
    var packed: Packed? = nil
    /// Of its own: who takes another's ringing leaves it asleep.
    let kick: EventDoorbell
    let parts: (GuestPhysicalAddress, available: GuestPhysicalAddress, used: GuestPhysicalAddress)

    init(_ frontend: ScriptedFrontend<LoopbackDevice>, size: Int) throws {
      kick = try EventDoorbell()
      let configuration = QueueConfiguration(size: size, features: frontend.features.union(.version1))
      let isPacked = frontend.features.contains(.packedRing)
      let count = isPacked ? PackedRing.byteCount(size: size) : SplitRing.byteCount(size: size)
      let memory = try frontend.allocator.allocate(count, alignment: 4096)
      if isPacked {
        let ring = try PackedRing(in: memory, size: size)
        ring.clear()
        parts = (ring.addresses.descriptors, ring.addresses.driverEvent, ring.addresses.deviceEvent)
        packed = try Packed(configuration, ring: ring, mapper: DirectMapper(counter: NoWork()))
      } else {
        let ring = try SplitRing(in: memory, size: size)
        ring.clear()
        parts = ring.addresses
        split = try Split(configuration, ring: ring, mapper: DirectMapper(counter: NoWork()))
      }
    }

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

    /// All that came back: which buffer, and how many bytes were written.
    func used() throws -> [Completion] {
      var list: [Completion] = []
      while true {
        let next = if packed != nil { try packed?.nextUsed() } else { try split?.nextUsed() }
        guard let next else { return list }
        list.append(next)
      }
    }
  }

  let frontend: ScriptedFrontend<LoopbackDevice>
  let queues: [Queue]
  let buffer: GuestBuffer
  let headerByteCount: Int

  init(_ device: LoopbackDevice, features: VirtioFeatures, size: Int = 16) throws {
    frontend = try ScriptedFrontend(device, features: features)
    try frontend.negotiate()
    queues = try (0..<device.queueCount).map { [frontend] _ in try Queue(frontend, size: size) }
    buffer = try frontend.allocator.allocate(512 * 1024, alignment: 4096)
    headerByteCount = features.contains(.version1) || features.contains(Self.mergeable) ? 12 : 10
    for i in queues.indices { try start(i, size: size) }
  }

  static let mergeable = VirtioFeatures(rawValue: 1 << 15)

  var firstBase: UInt32 { frontend.features.contains(.packedRing) ? 0x8000_8000 : 0 }

  func start(_ index: Int, size: Int = 16) throws {
    try frontend.start(UInt32(index), size: size, base: firstBase, parts: queues[index].parts)
    try frontend.tell(.setVringKick(index: index, PassedDescriptor(borrowing: queues[index].kick.fileDescriptor)))
  }

  /// The bytes of frame `n`.
  static func frame(_ n: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ n) } }

  /// Sends a frame, with the header and every so many bytes in segments of their own, from a place of `token`'s.
  func send(_ frame: [UInt8], pair: Int = 0, token: UInt64 = 0, pieces: Int = 4096) throws {
    let at = 0x4_0000 + Int(token) * 0x8000
    let bytes = [UInt8](repeating: 0, count: headerByteCount) + frame
    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[at...]).copyBytes(from: bytes)
    var parts = [buffer.segment(at: at, length: headerByteCount)]
    for start in stride(from: headerByteCount, to: bytes.count, by: pieces) {
      parts.append(buffer.segment(at: at + start, length: min(pieces, bytes.count - start)))
    }
    try queues[2 * pair + 1].add(readable: parts, token: token)
    try settle()
  }

  /// Gives a buffer to receive into.
  func give(_ count: Int, pair: Int = 0, token: UInt64) throws {
    let at = Int(token) * 0x1000
    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[at..<(at + count)]).initializeMemory(
      as: UInt8.self, repeating: 0xee)
    try queues[2 * pair].add(writable: [buffer.segment(at: at, length: count)], token: token)
    try settle()
  }

  func settle() throws {
    for queue in queues { queue.kick.ring() }
    try frontend.settle()
  }

  /// What stands in a receive buffer.
  func received(_ token: UInt64, _ range: Range<Int>) -> [UInt8] {
    let at = Int(token) * 0x1000
    return unsafe [UInt8](buffer.bytes[(at + range.lowerBound)..<(at + range.upperBound)])
  }
}

import RingKit
import Testing
import VhostUser

/// Drives the disk behind a scripted front-end, one request at a time.
final class DiskDriver {
  let frontend: ScriptedFrontend<BlockDevice>
  let queue: ScriptedQueue
  let buffer: GuestBuffer
  let size: Int

  init(_ frontend: ScriptedFrontend<BlockDevice>, size: Int = 16) throws {
    self.frontend = frontend
    self.size = size
    queue = try ScriptedQueue(frontend, features: frontend.features, size: size)
    buffer = try frontend.allocator.allocate(64 * 1024, alignment: 4096)
  }

  var parts: (GuestPhysicalAddress, available: GuestPhysicalAddress, used: GuestPhysicalAddress) { queue.parts }

  func start(base: UInt32) throws { try frontend.start(size: size, base: base, parts: parts) }

  /// Header and data to send at the buffer's beginning, room for data and status at its middle.
  func add(_ type: UInt32, sector: UInt64, sent: [UInt8] = [], room: Int = 0, token: UInt64 = 0) throws {
    let at = Int(token) * 2048
    unsafe buffer.bytes.storeBytes(of: type, toByteOffset: at, as: UInt32.self)
    unsafe buffer.bytes.storeBytes(of: sector, toByteOffset: at + 8, as: UInt64.self)
    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[(at + 16)...]).copyBytes(from: sent)
    unsafe buffer.bytes.storeBytes(of: 0xee, toByteOffset: at + 32_768 + room, as: UInt8.self)
    // The header in two segments: nothing may depend on where a driver puts its segments.
    var readable = [buffer.segment(at: at, length: 5), buffer.segment(at: at + 5, length: 11)]
    if !sent.isEmpty { readable.append(buffer.segment(at: at + 16, length: sent.count)) }
    var writable: [MemorySegment] = []
    if room > 0 { writable.append(buffer.segment(at: at + 32_768, length: room)) }
    writable.append(buffer.segment(at: at + 32_768 + room, length: 1))
    try queue.add(readable: readable, writable: writable, token: token)
  }

  /// What came back of a request.
  func result(room: Int, token: UInt64 = 0) -> (status: UInt8, data: [UInt8]) {
    let at = Int(token) * 2048 + 32_768
    let bytes = unsafe [UInt8](buffer.bytes[at..<(at + room + 1)])
    return (bytes[room], [UInt8](bytes.dropLast()))
  }

  func nextUsed() throws -> Completion? { try queue.nextUsed() }

  /// One request from beginning to end.
  func perform(
    _ type: UInt32, sector: UInt64, sent: [UInt8] = [], room: Int = 0
  ) throws -> (status: UInt8, data: [UInt8]) {
    try add(type, sector: sector, sent: sent, room: room)
    frontend.kick.ring()
    try frontend.settle()
    let used = try nextUsed()
    let completion = try #require(used)
    #expect(completion.writtenByteCount == UInt32(room + 1))
    return result(room: room)
  }

  /// One readable segment by itself, wherever it is said to be.
  func addBare(_ segment: MemorySegment) throws { try queue.add(readable: [segment], token: 0) }

  /// Where the available ring is here.
  var availableHost: UInt {
    let offset = parts.available.rawValue - frontend.region.guestBase.rawValue
    return frontend.region.hostBase.rawValue + UInt(offset)
  }
}

import RingKit
import Testing
import VhostUser

/// Drives the pairs of queues of a network device behind a scripted front-end, a step at a time.
final class FrameDriver {
  let frontend: ScriptedFrontend<LoopbackDevice>
  let queues: [ScriptedQueue]
  /// One for each queue: a thread that takes another's ringing leaves it asleep.
  private let kicks: [EventDoorbell]
  let buffer: GuestBuffer
  let headerByteCount: Int

  init(_ device: LoopbackDevice, features: VirtioFeatures, size: Int = 16) throws {
    frontend = try ScriptedFrontend(device, features: features)
    try frontend.negotiate(protocolFeatures: VhostUserOptions.allProtocolFeatures.subtracting(.config))
    queues = try (0..<device.queueCount).map { [frontend] _ in
      try ScriptedQueue(frontend, features: features.union(.version1), size: size)
    }
    kicks = try queues.map { _ in try EventDoorbell() }
    buffer = try frontend.allocator.allocate(512 * 1024, alignment: 4096)
    headerByteCount = features.contains(.version1) || features.contains(Self.mergeable) ? 12 : 10
    for i in queues.indices { try start(i, size: size) }
  }

  static let mergeable = VirtioFeatures(rawValue: 1 << 15)

  func start(_ index: Int, size: Int = 16, base: UInt32? = nil) throws {
    try frontend.start(UInt32(index), size: size, base: base ?? frontend.firstBase, parts: queues[index].parts)
    try frontend.tell(.setVringKick(index: index, PassedDescriptor(borrowing: kicks[index].fileDescriptor)))
  }

  /// The bytes of frame `n`.
  static func frame(_ n: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ n) } }

  /// Sends a frame, with the header and every so many bytes in segments of their own, from an offset of `token`'s.
  func send(_ frame: [UInt8], pair: Int = 0, token: UInt64 = 0, segmentBytes: Int = 4096) throws {
    let at = 0x4_0000 + Int(token) * 0x8000
    let bytes = [UInt8](repeating: 0, count: headerByteCount) + frame
    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[at...]).copyBytes(from: bytes)
    var parts = [buffer.segment(at: at, length: headerByteCount)]
    for start in stride(from: headerByteCount, to: bytes.count, by: segmentBytes) {
      parts.append(buffer.segment(at: at + start, length: min(segmentBytes, bytes.count - start)))
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
    try settle(ringing: [2 * pair])
  }

  /// Lets the back-end do all that there is to do, behind kicks of some queues or of all.
  func settle(ringing indices: [Int]? = nil) throws {
    for index in indices ?? Array(kicks.indices) { kicks[index].ring() }
    try frontend.settle()
  }

  /// What stands in a receive buffer.
  func received(_ token: UInt64, _ range: Range<Int>) -> [UInt8] {
    let at = Int(token) * 0x1000
    return unsafe [UInt8](buffer.bytes[(at + range.lowerBound)..<(at + range.upperBound)])
  }
}

import RingKit
import Testing
import VhostUser

/// A device of one queue that serves each buffer with a closure of the test's.
final class BodyDevice: VhostUserDevice {
  let deviceFeatures: VirtioFeatures = []
  let queueCount = 1
  let configuration: [UInt8] = []
  private let body: (inout VringBuffer) throws(VringFailure) -> Void

  init(_ body: @escaping (inout VringBuffer) throws(VringFailure) -> Void) { self.body = body }

  func configure(_ features: VirtioFeatures) {}
  func reset() {}

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    try queue.serve(atMost: limit, body)
  }
}

/// A queue of a device, with memory for the buffers of a test.
struct BodyDriver<Device: VhostUserDevice> {
  let frontend: ScriptedFrontend<Device>
  let queue: ScriptedQueue
  let buffer: GuestBuffer
  let size: Int

  // With `isNoted` there is inflight memory.
  init(
    _ device: Device, features: VirtioFeatures, size: Int = 64, isNoted: Bool = false, region: MemoryRegion? = nil
  ) throws {
    frontend = try ScriptedFrontend(device, features: features.union(.version1), region: region)
    try frontend.negotiate(protocolFeatures: VhostUserOptions.allProtocolFeatures.subtracting(.config))
    if isNoted {
      let (description, file) = try frontend.ask(
        .getInflight(InflightDescription(queueCount: 1, queueSize: UInt16(size)))
      ).inflight()
      frontend.inflight = (description, file)
      try frontend.tell(.setInflight(description, file))
    }
    queue = try ScriptedQueue(frontend, features: features.union(.version1), size: size)
    buffer = try frontend.allocator.allocate(64 * 1024, alignment: 4096)
    self.size = size
    try frontend.start(size: size, base: frontend.firstBase, parts: queue.parts)
  }

  /// Another device that replaces one that is gone, with its notes, over the same memory.
  init(_ device: Device, features: VirtioFeatures, successorOf other: BodyDriver, region: MemoryRegion) throws {
    frontend = try ScriptedFrontend(device, features: features.union(.version1), region: region)
    (queue, buffer, size) = (other.queue, other.buffer, other.size)
    try frontend.negotiate(protocolFeatures: VhostUserOptions.allProtocolFeatures.subtracting(.config))
    let (description, file) = try #require(other.frontend.inflight)
    try frontend.tell(.setInflight(description, file))
    try frontend.start(size: size, base: frontend.firstBase, parts: queue.parts)
  }

  /// Parts of `count` bytes from `offset` on, each of `part` bytes but the last.
  func parts(_ offset: Int, _ count: Int, _ part: Int) -> [MemorySegment] {
    stride(from: 0, to: count, by: part).map { buffer.segment(at: offset + $0, length: min(part, count - $0)) }
  }

  func bytes(_ range: Range<Int>) -> [UInt8] { unsafe [UInt8](buffer.bytes[range]) }

  func settle() throws {
    frontend.kick.ring()
    try frontend.settle()
  }
}

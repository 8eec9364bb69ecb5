internal import RingKit

/// What was seen that does not hold, in words.
struct Seen: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A queue of a layout, whose ring is looked at, or written by a peer that keeps no rule.
///
/// The layout has to lay its ring out as ``SplitRing`` or ``PackedRing`` do in one buffer, and to allocate it before
/// anything else, at a multiple of 128.
struct ObservedQueue<Layout: VirtqueueLayout>: ~Copyable {
  var queue: Virtqueue<Layout>
  let ring: RingMemory
  let memory: GuestMemory
  /// Buffers of ``slotByteCount`` bytes for a driver to submit.
  let payload: GuestBuffer
  /// Buffers, in a packed ring descriptors, that went round before.
  var position = 0
  private var token: UInt64 = 0

  static var slotByteCount: Int { 1024 }

  /// Sets a queue up in memory of its own, where other bytes than zeros lie before.
  init(_ configuration: QueueConfiguration, _ makePath: (GuestMemory) throws -> Layout.Path) throws {
    let memory = try GuestMemory(byteCount: 4 << 20)
    let path = try makePath(memory)
    let payload = try memory.allocate(32 * Self.slotByteCount, alignment: 4096)
    let size = configuration.size
    let byteCount = Layout.byteCount(size: size)
    let isPacked = byteCount == PackedRing.byteCount(size: size)
    guard isPacked || byteCount == SplitRing.byteCount(size: size) else {
      throw Seen("the layout's ring of \(byteCount) bytes is neither a SplitRing's nor a PackedRing's")
    }
    let below = try memory.allocate(128, alignment: 128)
    let start = GuestPhysicalAddress(below.address.rawValue + 128)
    guard let buffer = memory.sharedBuffer(at: start, byteCount: byteCount) else {
      throw MemoryError.exhausted(requested: byteCount, available: 0)
    }
    let before = [UInt8](repeating: 0xff, count: byteCount)
    buffer.copyIn(before)
    let queue = try Virtqueue<Layout>(configuration, in: memory, over: path)
    guard buffer.copyOut() != before else {
      throw Seen("the layout does not allocate its ring first, or does not clear it")
    }
    (self.memory, self.payload) = (memory, payload)
    ring = RingMemory(in: buffer, isPacked: isPacked, size: size)
    self.queue = queue
  }

  var size: Int { ring.size }

  /// A part of the payload, one of 32.
  func segment(_ slot: Int, _ length: Int) -> MemorySegment {
    payload.segment(at: slot * Self.slotByteCount, length: length)
  }

  /// Adds a buffer of segments of these lengths; the token is the number of the buffer.
  @discardableResult
  mutating func add(readable: [Int], writable: [Int]) throws -> UInt64 {
    token += 1
    let segments = (readable + writable).enumerated().map { segment($0 % 32, $1) }
    let (first, rest) = (Array(segments[..<readable.count]), Array(segments[readable.count...]))
    guard try queue.driver.add(readable: first.span, writable: rest.span, token: token) == .added else {
      throw Seen("a ring of \(size) has no room for \(segments.count) segments beside \(queue.driver.inFlightCount)")
    }
    return token
  }

  /// One buffer of one segment to a device and back.
  mutating func goRound(_ serve: (inout Layout.Device) throws -> Void) throws {
    let isReadable = token % 2 == 0
    let token = try add(readable: isReadable ? [64] : [], writable: isReadable ? [] : [64])
    queue.driver.publish()
    for _ in 0..<64 {
      try serve(&queue.device)
      guard let done = try queue.driver.nextUsed() else { continue }
      guard done.token == token else { throw Seen("buffer \(done.token) came back instead of \(token)") }
      return
    }
    throw Seen("a buffer did not come back from the device")
  }

  /// Serves everything that is available, in order.
  ///
  /// - Returns: how far the device's position moved: buffers, or descriptors of a packed ring.
  mutating func serveAll(_ answer: (DeviceChain, borrowing ChainSegments) -> UInt32) throws -> Int {
    var moved = 0
    let isPacked = ring.isPacked
    _ = try queue.device.serve(atMost: size) { chain, segments throws(Never) in
      moved += isPacked ? Int(chain.descriptorCount) : 1
      return answer(chain, segments)
    }
    queue.device.publish()
    return moved
  }

  /// Has the driver map what a lie needs, and takes the idle ring away from it.
  mutating func driverStage(position: Int, table: [RawDescriptor], variation: Int) throws -> DriverStage {
    let readable = try mapped(segment(0, 1024), .deviceReadable)
    let writable = try mapped(segment(1, 1024), .deviceWritable)
    // A path that copies does so when it maps.
    let entries = table.flatMap { entry in
      var entry = entry
      entry.address = entry.flags & RawDescriptor.write != 0 ? writable : readable
      return entry.bytes(isPacked: ring.isPacked)
    }
    payload.copyIn(entries, at: 2 * Self.slotByteCount)
    let tableAddress = try mapped(segment(2, 1024), .deviceReadable)
    for slot in 0..<size { ring[slot] = RawDescriptor(0, 0) }
    let last = memory.regions[memory.regions.count - 1]
    return DriverStage(
      ring, position: position, readable: readable, writable: writable, table: tableAddress,
      end: last.guestBase.rawValue + UInt64(last.byteCount), variation: variation)
  }

  /// The address that a segment has for the device: what the driver writes into a descriptor for it.
  private mutating func mapped(_ segment: MemorySegment, _ direction: DMADirection) throws -> UInt64 {
    let slot = try slotWritten { queue throws(QueueError) in
      try queue.driver.add(segment, direction, token: 0)
    }
    return ring[slot].address
  }

  /// The first slot in which a driver writes a descriptor when it adds a buffer; the other descriptors are lost.
  mutating func slotWritten(
    _ add: (inout Virtqueue<Layout>) throws(QueueError) -> AddResult
  ) throws -> Int {
    for slot in 0..<size { ring.store64(0, ring.descriptors, 16 * slot) }
    guard try add(&queue) == .added else { throw Seen("a ring of \(size) has no room for three buffers") }
    for slot in 0..<size where ring[slot].address != 0 { return slot }
    throw Seen("the driver adds a buffer and writes no descriptor")
  }

  /// Gives everything back to the path, so that it ends with nothing mapped.
  mutating func end() {
    queue.device.reset()
    try? queue.driver.reset { _ in }
  }
}

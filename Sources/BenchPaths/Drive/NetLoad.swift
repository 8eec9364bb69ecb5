import BenchPlan
import CRing
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Numbered frames to a device that sends them back; one that does not come is sent again.
///
/// A device behind an IOMMU drops what it has no translation for (vhost does not wait for it), so a frame's way is over
/// when it came back, not when it was sent.
struct NetLoad<Queue: DriverQueue & ~Copyable>: DriveLoad, ~Copyable {
  private var receive: Queue
  private var transmit: Queue
  var course: DriveCourse
  private let plan: NetPlan
  /// By slot of a frame that is sent.
  private var frames: [NetFrame]
  private var free: [Int]
  /// Slots that nothing is received into yet.
  private var unposted: [Int]
  private var next: UInt64 = 0
  private var lastLook: UInt64 = 0
  // Far below the 10 ms after which a lazy domain forgets everything: that takes the translation of the next buffer to
  // receive into from the device, which then drops the frame, and would do so each time if both came round together.
  private let resendCycles = cring_cycles_per_second() / 500

  init(receive: consuming Queue, transmit: consuming Queue, _ port: DrivePort, _ plan: NetPlan) {
    self.receive = receive
    self.transmit = transmit
    course = DriveCourse(port, requests: plan.requests)
    self.plan = plan
    frames = Array(repeating: NetFrame(), count: plan.depth)
    free = (0..<plan.depth).reversed()
    unposted = (0..<plan.depth).reversed()
  }

  var work: WorkCounts { receive.work.counts + transmit.work.counts }

  mutating func prepare() {
    receive.disableNotifications()
    transmit.disableNotifications()
  }

  mutating func drive(_ progress: Progress) throws(DriveFailure) {
    while course.goesOn() {
      let before = course.tally.requests
      do throws(QueueError) {
        try post()
        try takeSent()
        try send()
        try resend()
      } catch { throw course.port.reason(error) }
      publish()
      try takeReceived()
      if course.tally.requests & 0x3ff == 0 { course.show(progress, "frames") }
      try rest(hasProgress: course.tally.requests != before)
    }
  }

  // MARK: Receiving

  private mutating func post() throws(QueueError) {
    while let slot = unposted.last {
      guard try plan.add(&receive, plan.received.pool.segment(slot), .deviceWritable, UInt64(slot)) else { return }
      unposted.removeLast()
    }
  }

  private mutating func takeReceived() throws(DriveFailure) {
    while true {
      let completion: Completion?
      do throws(QueueError) { completion = try receive.nextUsed() } catch { throw course.port.reason(error) }
      guard let completion else { return }
      let slot = Int(completion.token)
      unposted.append(slot)
      try accept(slot, Int(completion.writtenByteCount))
    }
  }

  private mutating func accept(_ slot: Int, _ byteCount: Int) throws(DriveFailure) {
    let expected = NetHeader.byteCount + plan.bytes
    let number = plan.received.number(at: slot)
    guard byteCount == expected, number < next else {
      throw .strangeFrame(number: number, byteCount: byteCount - NetHeader.byteCount)
    }
    let offset = plan.received.firstWrongByte(number, at: slot)
    if let offset { throw .wrongByte(sequence: number, offset: offset) }
    course.tally.bytesVerified += plan.bytes
    course.tally.bytesIn += plan.bytes
    guard let sent = frames.firstIndex(where: { $0.isWaiting && $0.number == number }) else {
      course.tally.duplicates += 1
      return
    }
    course.histogram.record(cycles: cring_cycles() &- frames[sent].firstSent)
    frames[sent].isWaiting = false
    if !frames[sent].isInQueue { free.append(sent) }
    course.tally.requests += 1
  }

  // MARK: Sending

  private mutating func takeSent() throws(QueueError) {
    while let completion = try transmit.nextUsed() {
      let slot = Int(completion.token)
      frames[slot].isInQueue = false
      if !frames[slot].isWaiting { free.append(slot) }
    }
  }

  private mutating func send() throws(QueueError) {
    while next < UInt64(plan.requests), let slot = free.last {
      plan.sent.write(next, at: slot)
      guard try transmit(slot) else { return }
      free.removeLast()
      frames[slot].number = next
      frames[slot].isWaiting = true
      frames[slot].firstSent = frames[slot].lastSent
      next += 1
    }
  }

  /// Sends what has not come for 2 ms again; looked at five times a millisecond.
  private mutating func resend() throws(QueueError) {
    let now = cring_cycles()
    guard now &- lastLook > resendCycles / 10 else { return }
    lastLook = now
    for slot in frames.indices {
      let frame = frames[slot]
      guard frame.isWaiting, !frame.isInQueue, now &- frame.lastSent > resendCycles else { continue }
      guard try transmit(slot) else { return }
      course.tally.resends += 1
    }
  }

  private mutating func transmit(_ slot: Int) throws(QueueError) -> Bool {
    guard try plan.add(&transmit, plan.sent.pool.segment(slot), .deviceReadable, UInt64(slot)) else { return false }
    frames[slot].isInQueue = true
    frames[slot].lastSent = cring_cycles()
    course.tally.bytesOut += plan.bytes
    return true
  }

  private mutating func publish() {
    receive.publish()
    transmit.publish()
    if receive.isNotificationDue() { course.port.kicks[0].ring() }
    if transmit.isNotificationDue() { course.port.kicks[1].ring() }
  }

  // MARK: Waiting

  private mutating func rest(hasProgress: Bool) throws(DriveFailure) {
    if course.port.isLost { return try recover() }
    guard try course.isIdle(hasProgress: hasProgress) else { return }
    do throws(QueueError) {
      try receive.poll()
      try transmit.poll()
    } catch { throw course.port.reason(error) }
    // Both, whatever the first says.
    let (came, went) = (receive.enableNotifications(), transmit.enableNotifications())
    if !came && !went {
      // No longer than a frame that was dropped may wait.
      try course.port.sleep(milliseconds: 1)
    }
    prepare()
  }

  /// Goes on with the back-end's successor, once all that the last one completed was collected.
  ///
  /// Frames that the last one had taken and not sent back are lost, as on any wire, and sent again when they are late.
  private mutating func recover() throws(DriveFailure) {
    guard let received = receive.devicePosition, let sent = transmit.devicePosition else { return }
    let outstanding = receive.inFlightCount + transmit.inFlightCount
    var positions: [UInt16?] = [received, sent]
    if !course.port.hasNotes {
      do throws(QueueError) { try abandon() } catch { throw course.port.reason(error) }
      prepare()
      positions = [nil, nil]
    }
    try course.resume(positions, outstanding: outstanding)
  }

  /// Makes both rings new: what was posted is posted again, and what was sent and has not come back is late.
  private mutating func abandon() throws(QueueError) {
    var slots: [Int] = []
    try receive.reset { slots.append(Int($0)) }
    unposted += slots
    slots = []
    try transmit.reset { slots.append(Int($0)) }
    for slot in slots {
      frames[slot].isInQueue = false
      if !frames[slot].isWaiting { free.append(slot) }
    }
  }

  /// Takes both rings back, and what was posted to receive into.
  mutating func finish() throws(DriveFailure) {
    // One that has gone by now has stopped as well.
    _ = try course.port.stop(0)
    _ = try course.port.stop(1)
    do throws(QueueError) {
      try receive.reset { _ in }
      try transmit.reset { _ in }
      try receive.flush()
      try transmit.flush()
    } catch { throw course.port.reason(error) }
  }
}

/// What a network device's load is.
struct NetPlan: Sendable {
  let requests: Int
  let bytes: Int
  let depth: Int
  /// Whether header and frame are two segments of a table.
  let isIndirect: Bool
  let received: NetFrames
  let sent: NetFrames

  /// In two segments where there are tables for them, as Linux does it, and in one where there are not.
  ///
  /// - Returns: false when the ring is full.
  func add<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ whole: MemorySegment, _ direction: DMADirection, _ token: UInt64
  ) throws(QueueError) -> Bool {
    guard isIndirect else { return try queue.add(whole, direction, token: token) == .added }
    let header = UInt32(NetHeader.byteCount)
    let parts: InlineArray<2, MemorySegment> = [
      MemorySegment(whole.address, length: header),
      MemorySegment(
        GuestPhysicalAddress(whole.address.rawValue &+ UInt64(header)), length: whole.length &- header),
    ]
    let none = parts.span.extracting(first: 0)
    let result =
      direction == .deviceReadable
      ? try queue.add(readable: parts.span, writable: none, token: token)
      : try queue.add(readable: none, writable: parts.span, token: token)
    return result == .added
  }
}

/// The frames of a load: header, Ethernet header, a number, and a payload made from it; one slot each in a pool.
struct NetFrames: Sendable {
  let pool: PayloadPool
  /// Bytes of a frame.
  let bytes: Int

  // Destination and source of local administration, and the type IEEE keeps for experiments.
  private static let addresses: [UInt16] = [0x0002, 0x0000, 0x0100, 0x0002, 0x0000, 0x0200, 0xb588]
  /// What tells them from others.
  static let addressByteCount = 2 * addresses.count
  private static let numberOffset = 16
  private static let payloadOffset = 24

  init(_ buffer: GuestBuffer, bytes: Int) {
    pool = PayloadPool(buffer, bytes: NetHeader.byteCount + bytes)
    self.bytes = bytes
  }

  /// Memory for that many frames.
  static func byteCount(_ count: Int, bytes: Int) -> Int {
    count * Payload.stride(for: NetHeader.byteCount + bytes)
  }

  private func frame(_ slot: Int) -> SharedMemory {
    unsafe SharedMemory(pool.host(slot).advanced(by: NetHeader.byteCount), byteCount: bytes)
  }

  private func payload(_ slot: Int) -> HostAddress {
    unsafe pool.host(slot).advanced(by: NetHeader.byteCount + Self.payloadOffset)
  }

  func write(_ number: UInt64, at slot: Int) {
    NetHeader.clear(pool.host(slot))
    let frame = frame(slot)
    for (i, word) in Self.addresses.enumerated() { frame.store16(word, 2 * i) }
    frame.store16(0, 14)
    frame.store32(UInt32(truncatingIfNeeded: number), Self.numberOffset)
    frame.store32(UInt32(truncatingIfNeeded: number >> 32), Self.numberOffset + 4)
    unsafe crb_fill(payload(slot).pointer, bytes - Self.payloadOffset, number)
  }

  /// The number a frame carries.
  func number(at slot: Int) -> UInt64 {
    let frame = frame(slot)
    return UInt64(frame.load32(Self.numberOffset)) | UInt64(frame.load32(Self.numberOffset + 4)) << 32
  }

  /// The offset of the first byte that is not as it was sent, `nil` when all are.
  func firstWrongByte(_ number: UInt64, at slot: Int) -> Int? {
    let frame = frame(slot)
    for (i, word) in Self.addresses.enumerated() where frame.load16(2 * i) != word { return 2 * i }
    let (host, count) = (payload(slot), bytes - Self.payloadOffset)
    if unsafe crb_check(host.pointer, count, number) { return nil }
    return Self.payloadOffset + (unsafe crb_first_wrong_byte(host.pointer, count, number))
  }
}

/// What became of a frame.
struct NetFrame: Sendable {
  var number: UInt64 = 0
  /// In the load's unit.
  var firstSent: UInt64 = 0
  var lastSent: UInt64 = 0
  /// It has not come back.
  var isWaiting = false
  /// The device has not taken it.
  var isInQueue = false
}

import BenchHarness
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
package struct NetLoad<Queue: DriverQueue & ~Copyable>: ~Copyable {
  private var receive: Queue
  private var transmit: Queue
  private let port: DrivePort
  private let plan: NetPlan
  private var tally = DriveTally()
  private var histogram = LatencyHistogram()
  /// By place of a frame that is sent.
  private var frames: [NetFrame]
  private var free: [Int]
  /// Places where nothing is received into yet.
  private var unposted: [Int]
  private var next: UInt64 = 0
  private var turns = 0
  private var lastLook: UInt64 = 0
  // Far below the 10 ms after which a lazy domain forgets everything: that takes the translation of the next buffer to
  // receive into from the device, which then drops the frame, and would do so each time if both came round together.
  private let resendCycles = cring_cycles_per_second() / 500

  package init(receive: consuming Queue, transmit: consuming Queue, _ port: DrivePort, _ plan: NetPlan) {
    self.receive = receive
    self.transmit = transmit
    self.port = port
    self.plan = plan
    frames = Array(repeating: NetFrame(), count: plan.depth)
    free = (0..<plan.depth).reversed()
    unposted = (0..<plan.depth).reversed()
  }

  /// The whole of it, up to the device's stop or to what went wrong.
  package mutating func run(_ progress: Progress) -> DriveTally {
    let start = cring_nanoseconds()
    do throws(DriveFailure) {
      try drive(progress)
      tally.nanoseconds = cring_nanoseconds() - start
      try finish()
    } catch {
      if tally.nanoseconds == 0 { tally.nanoseconds = cring_nanoseconds() - start }
      tally.failure = error
    }
    tally.latency = histogram.summary
    tally.work = receive.work.counts + transmit.work.counts
    return tally
  }

  private mutating func drive(_ progress: Progress) throws(DriveFailure) {
    receive.disableNotifications()
    transmit.disableNotifications()
    while tally.requests < plan.requests {
      if Interrupt.isRequested {
        tally.interrupted = true
        break
      }
      let before = tally.requests
      do throws(QueueError) {
        try post()
        try takeSent()
        try send()
        try resend()
      } catch { throw port.reason(error) }
      publish()
      try takeReceived()
      if tally.requests & 0x3ff == 0 {
        progress.update(
          "\(NumberText.grouped(tally.requests)) of \(NumberText.grouped(plan.requests)) frames",
          done: Int(tally.requests), of: Int(plan.requests))
      }
      try rest(hasProgress: tally.requests != before)
    }
  }

  // MARK: Receiving

  private mutating func post() throws(QueueError) {
    while let place = unposted.last {
      guard try plan.add(&receive, plan.received.pool.segment(place), .deviceWritable, UInt64(place)) else { return }
      unposted.removeLast()
    }
  }

  private mutating func takeReceived() throws(DriveFailure) {
    while true {
      let completion: Completion?
      do throws(QueueError) { completion = try receive.nextUsed() } catch { throw port.reason(error) }
      guard let completion else { return }
      let place = Int(completion.token)
      unposted.append(place)
      try accept(place, Int(completion.writtenByteCount))
    }
  }

  private mutating func accept(_ place: Int, _ byteCount: Int) throws(DriveFailure) {
    let expected = NetHeader.byteCount + plan.bytes
    let number = plan.received.number(at: place)
    guard byteCount == expected, number < next else {
      throw .strangeFrame(number: number, byteCount: byteCount - NetHeader.byteCount)
    }
    let offset = plan.received.firstWrongByte(number, at: place)
    if let offset { throw .wrongByte(sequence: number, offset: offset) }
    tally.bytesVerified += plan.bytes
    tally.bytesIn += plan.bytes
    guard let sent = frames.firstIndex(where: { $0.isWaiting && $0.number == number }) else {
      tally.duplicates += 1
      return
    }
    histogram.record(cycles: cring_cycles() &- frames[sent].firstSent)
    frames[sent].isWaiting = false
    if !frames[sent].isInQueue { free.append(sent) }
    tally.requests += 1
  }

  // MARK: Sending

  private mutating func takeSent() throws(QueueError) {
    while let completion = try transmit.nextUsed() {
      let place = Int(completion.token)
      frames[place].isInQueue = false
      if !frames[place].isWaiting { free.append(place) }
    }
  }

  private mutating func send() throws(QueueError) {
    while next < UInt64(plan.requests), let place = free.last {
      plan.sent.write(next, at: place)
      guard try transmit(place) else { return }
      free.removeLast()
      frames[place].number = next
      frames[place].isWaiting = true
      frames[place].firstSent = frames[place].lastSent
      next += 1
    }
  }

  /// Sends what has not come for 2 ms again; looked at five times a millisecond.
  private mutating func resend() throws(QueueError) {
    let now = cring_cycles()
    guard now &- lastLook > resendCycles / 10 else { return }
    lastLook = now
    for place in frames.indices {
      let frame = frames[place]
      guard frame.isWaiting, !frame.isInQueue, now &- frame.lastSent > resendCycles else { continue }
      guard try transmit(place) else { return }
      tally.resends += 1
    }
  }

  private mutating func transmit(_ place: Int) throws(QueueError) -> Bool {
    guard try plan.add(&transmit, plan.sent.pool.segment(place), .deviceReadable, UInt64(place)) else { return false }
    frames[place].isInQueue = true
    frames[place].lastSent = cring_cycles()
    tally.bytesOut += plan.bytes
    return true
  }

  private mutating func publish() {
    receive.publish()
    transmit.publish()
    if receive.isNotificationDue() { port.kicks[0].ring() }
    if transmit.isNotificationDue() { port.kicks[1].ring() }
  }

  // MARK: Waiting

  private mutating func rest(hasProgress: Bool) throws(DriveFailure) {
    if port.isLost { return try recover() }
    turns = hasProgress ? 0 : turns + 1
    if hasProgress { return try port.progress() }
    guard try port.isTired(turns) else { return }
    do throws(QueueError) {
      try receive.poll()
      try transmit.poll()
    } catch { throw port.reason(error) }
    // Both, whatever the first says.
    let (came, went) = (receive.enableNotifications(), transmit.enableNotifications())
    if !came && !went {
      // No longer than a frame that was dropped may wait.
      try port.sleep(milliseconds: 1, done: tally.requests, of: plan.requests)
    }
    receive.disableNotifications()
    transmit.disableNotifications()
  }

  /// Goes on with the back-end's successor, once all that the last one completed was collected.
  ///
  /// Frames that the last one had taken and not sent back are lost, as on any wire, and sent again when they are late.
  private mutating func recover() throws(DriveFailure) {
    guard let received = receive.devicePosition, let sent = transmit.devicePosition else { return }
    let outstanding = receive.inFlightCount + transmit.inFlightCount
    var positions: [UInt16?] = [received, sent]
    if !port.hasNotes {
      do throws(QueueError) { try abandon() } catch { throw port.reason(error) }
      receive.disableNotifications()
      transmit.disableNotifications()
      positions = [nil, nil]
    }
    guard try port.resume(positions) else { return }
    turns = 0
    tally.reconnects += 1
    if port.hasNotes { tally.handedOver += outstanding } else { tally.resubmitted += outstanding }
  }

  /// Makes both rings new: what was posted is posted again, and what was sent and has not come back is late.
  private mutating func abandon() throws(QueueError) {
    var places: [Int] = []
    try receive.reset { places.append(Int($0)) }
    unposted += places
    places = []
    try transmit.reset { places.append(Int($0)) }
    for place in places {
      frames[place].isInQueue = false
      if !frames[place].isWaiting { free.append(place) }
    }
  }

  /// Takes both rings back, and what was posted to receive into.
  private mutating func finish() throws(DriveFailure) {
    // One that has gone by now has stopped as well.
    _ = try port.stop(0)
    _ = try port.stop(1)
    do throws(QueueError) {
      try receive.reset { _ in }
      try transmit.reset { _ in }
      try receive.flush()
      try transmit.flush()
    } catch { throw port.reason(error) }
  }
}

/// What a network device's load is.
package struct NetPlan: Sendable {
  package let requests: Int
  package let bytes: Int
  package let depth: Int
  /// Whether header and frame are two segments of a table.
  package let isIndirect: Bool
  package let received: NetFrames
  package let sent: NetFrames

  /// In two segments where there are tables for them, as Linux does it, and in one where there are not.
  ///
  /// - Returns: false when the ring is full.
  package func add<Queue: DriverQueue & ~Copyable>(
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

/// The frames of a load: header, Ethernet header, a number, and a payload made from it; one place each in a pool.
package struct NetFrames: Sendable {
  package let pool: PayloadPool
  /// Bytes of a frame.
  package let bytes: Int

  // Destination and source of local administration, and the type IEEE keeps for experiments.
  private static let addresses: [UInt16] = [0x0002, 0x0000, 0x0100, 0x0002, 0x0000, 0x0200, 0xb588]
  private static let numberOffset = 16
  private static let payloadOffset = 24

  package init(_ buffer: GuestBuffer, bytes: Int) {
    pool = PayloadPool(buffer, bytes: NetHeader.byteCount + bytes)
    self.bytes = bytes
  }

  /// Memory for that many frames.
  package static func byteCount(_ count: Int, bytes: Int) -> Int {
    count * PayloadPool.stride(for: NetHeader.byteCount + bytes)
  }

  private func frame(_ place: Int) -> SharedMemory {
    unsafe SharedMemory(pool.host(place).advanced(by: NetHeader.byteCount), byteCount: bytes)
  }

  private func payload(_ place: Int) -> HostAddress {
    unsafe pool.host(place).advanced(by: NetHeader.byteCount + Self.payloadOffset)
  }

  package func write(_ number: UInt64, at place: Int) {
    NetHeader.clear(pool.host(place))
    let frame = frame(place)
    for (i, word) in Self.addresses.enumerated() { frame.store16(word, 2 * i) }
    frame.store16(0, 14)
    frame.store32(UInt32(truncatingIfNeeded: number), Self.numberOffset)
    frame.store32(UInt32(truncatingIfNeeded: number >> 32), Self.numberOffset + 4)
    unsafe crb_fill(payload(place).pointer, bytes - Self.payloadOffset, number)
  }

  /// The number a frame carries.
  package func number(at place: Int) -> UInt64 {
    let frame = frame(place)
    return UInt64(frame.load32(Self.numberOffset)) | UInt64(frame.load32(Self.numberOffset + 4)) << 32
  }

  /// The offset of the first byte that is not as it was sent, `nil` when all are.
  package func firstWrongByte(_ number: UInt64, at place: Int) -> Int? {
    let frame = frame(place)
    for (i, word) in Self.addresses.enumerated() where frame.load16(2 * i) != word { return 2 * i }
    let (host, count) = (payload(place), bytes - Self.payloadOffset)
    if unsafe crb_check(host.pointer, count, number) { return nil }
    return Self.payloadOffset + (unsafe crb_first_wrong_byte(host.pointer, count, number))
  }
}

/// What became of a frame.
package struct NetFrame: Sendable {
  package var number: UInt64 = 0
  /// In cycles.
  package var firstSent: UInt64 = 0
  package var lastSent: UInt64 = 0
  /// It has not come back.
  package var isWaiting = false
  /// The device has not taken it.
  package var isInQueue = false
}

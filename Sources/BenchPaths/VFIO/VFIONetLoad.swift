import BenchPlan
import CRing
import RingKit
import RingPlatform
import VhostUser

/// Numbered frames that leave a network device and come back as they were, so many outstanding.
///
/// What is behind the device has to return them: a loop in the cable, a reflector, a socket that sends to itself. One
/// that is not back within half a second is sent again. Other frames are not counted.
struct VFIONetLoad<Queue: DriverQueue & ~Copyable>: ~Copyable {
  private static var resendNanoseconds: UInt64 { 500_000_000 }

  private var receive: Queue
  private var transmit: Queue
  private let ports: [VFIOPort]
  private let plan: NetPlan
  /// By slot of a frame that is sent; `firstSent` and `lastSent` in nanoseconds.
  private var frames: [NetFrame]
  private var free: [Int]
  private var next: UInt64 = 0
  private var done = 0

  /// - Parameters:
  ///   - receive: queue 0.
  ///   - transmit: queue 1.
  ///   - ports: of both.
  ///   - plan: of the frames.
  init(receive: consuming Queue, transmit: consuming Queue, ports: [VFIOPort], _ plan: NetPlan) {
    self.receive = receive
    self.transmit = transmit
    self.ports = ports
    self.plan = plan
    frames = Array(repeating: NetFrame(), count: plan.depth)
    free = (0..<plan.depth).reversed()
    self.receive.disableNotifications()
    self.transmit.disableNotifications()
  }

  private var work: WorkCounts { receive.work.counts + transmit.work.counts }

  /// All frames, out and back.
  ///
  /// - Returns: what they took.
  /// - Throws: ``BenchError`` when the device stands still or a frame is not what was sent; ``QueueError``.
  mutating func pass() throws -> VFIORow.Pass {
    for slot in 0..<plan.depth { try post(slot) }
    let start = cring_nanoseconds()
    var deadline = VFIODeadline()
    while done < plan.requests {
      try takeSent()
      try send()
      receive.publish()
      transmit.publish()
      ports[0].kick(&receive)
      ports[1].kick(&transmit)
      let before = done
      while let completion = try receive.nextUsed() {
        let slot = Int(completion.token)
        try accept(slot, Int(completion.writtenByteCount))
        try post(slot)
      }
      try deadline.check(hasProgress: done > before, "\(done) of \(next) frames")
      ports[0].rest(&receive, hasProgress: done > before)
    }
    return VFIORow.Pass(
      requests: done, nanoseconds: cring_nanoseconds() &- start, work: work, wakeUps: ports[0].wakeUps)
  }

  /// Unmaps what was posted to receive into, once the device has stopped.
  ///
  /// - Throws: ``QueueError``.
  mutating func finish() throws {
    try receive.reset { _ in }
    try transmit.reset { _ in }
  }

  private mutating func post(_ slot: Int) throws {
    guard try plan.add(&receive, plan.received.pool.segment(slot), .deviceWritable, UInt64(slot)) else {
      throw BenchError.check("the receive queue has no room for buffer \(slot)")
    }
  }

  private mutating func accept(_ slot: Int, _ byteCount: Int) throws {
    let number = plan.received.number(at: slot)
    let wrong = plan.received.firstWrongByte(number, at: slot)
    // Not addressed as ours are.
    if let wrong, wrong < NetFrames.addressByteCount { return }
    guard byteCount == NetHeader.byteCount + plan.bytes, number < next, wrong == nil else {
      throw BenchError.check(
        "a frame of \(byteCount - NetHeader.byteCount) bytes with number \(number) came back, "
          + (wrong.map { "wrong from byte \($0) on" } ?? "which is none of \(plan.bytes) bytes below \(next)"))
    }
    // One that was sent twice comes twice.
    guard let sent = frames.firstIndex(where: { $0.isWaiting && $0.number == number }) else { return }
    frames[sent].isWaiting = false
    if !frames[sent].isInQueue { free.append(sent) }
    done += 1
  }

  private mutating func takeSent() throws {
    while let completion = try transmit.nextUsed() {
      let slot = Int(completion.token)
      frames[slot].isInQueue = false
      if !frames[slot].isWaiting { free.append(slot) }
    }
  }

  private mutating func send() throws {
    let now = cring_nanoseconds()
    while next < UInt64(plan.requests), let slot = free.last {
      plan.sent.write(next, at: slot)
      guard try transmit(slot, now) else { return }
      free.removeLast()
      frames[slot].number = next
      frames[slot].isWaiting = true
      next += 1
    }
    for slot in frames.indices {
      let frame = frames[slot]
      guard frame.isWaiting, !frame.isInQueue, now &- frame.lastSent > Self.resendNanoseconds else { continue }
      guard try transmit(slot, now) else { return }
    }
  }

  private mutating func transmit(_ slot: Int, _ now: UInt64) throws -> Bool {
    guard try plan.add(&transmit, plan.sent.pool.segment(slot), .deviceReadable, UInt64(slot)) else { return false }
    frames[slot].isInQueue = true
    frames[slot].lastSent = now
    return true
  }
}

import BenchHarness
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Requests through one queue of a disk, so many outstanding, each block checked.
package struct VFIOLoad<Queue: DriverQueue & ~Copyable>: ~Copyable {
  private var driver: BlockDriver<Queue>
  private let payload: GuestBuffer
  private let requests: Range<Int>
  private let parameters: VFIOParameters
  private let content: VFIOContent

  /// - Parameters:
  ///   - driver: of the queue.
  ///   - payload: a block for each outstanding request.
  ///   - requests: which ones are this queue's.
  ///   - parameters: of the run.
  ///   - content: of the disk.
  package init(
    _ driver: consuming BlockDriver<Queue>, payload: GuestBuffer, requests: Range<Int>, _ parameters: VFIOParameters,
    _ content: VFIOContent
  ) {
    self.driver = driver
    self.payload = payload
    self.requests = requests
    self.parameters = parameters
    self.content = content
    self.driver.queue.disableNotifications()
  }

  package var work: WorkCounts { driver.queue.work.counts }
  package var requestCount: Int { requests.count }

  /// One pass of all its requests.
  ///
  /// - Parameters:
  ///   - operation: read or write.
  ///   - port: of the queue.
  ///   - sums: what reads found in each request's block; empty in the first pass that reads.
  /// - Returns: what this pass's reads found.
  /// - Throws: ``BenchError`` when the device fails, stands still or hands over wrong bytes; ``QueueError``.
  package mutating func pass(_ operation: BlockOperation, _ port: VFIOPort, sums: [UInt64]) throws -> [UInt64] {
    var found: [UInt64] = Array(repeating: 0, count: operation == .read ? requests.count : 0)
    var next = requests.lowerBound
    var done = 0
    var deadline = VFIODeadline()
    while done < requests.count {
      let outstanding = next - requests.lowerBound - done
      next += try submit(operation, from: next, atMost: parameters.depth - outstanding)
      driver.queue.publish()
      port.kick(&driver.queue)
      var came = 0
      while let completion = try driver.next() {
        let request = Int(completion.token)
        guard completion.status == .done else {
          throw BenchError.check("request \(request): the device says \(completion.status)")
        }
        came += 1
        guard operation == .read else { continue }
        let sum = try content.check(block(completion.slot), request: request)
        guard sums.isEmpty || sums[request] == sum else {
          throw BenchError.check("request \(request) read other bytes than the path before it did")
        }
        found[request - requests.lowerBound] = sum
      }
      done += came
      try deadline.check(hasProgress: came > 0, "\(done) of \(next - requests.lowerBound) requests")
      port.rest(&driver.queue, hasProgress: came > 0)
    }
    return found
  }

  private mutating func submit(_ operation: BlockOperation, from first: Int, atMost room: Int) throws -> Int {
    var count = 0
    while count < room, first + count < requests.upperBound, let slot = driver.nextSlot {
      let request = first + count
      // What a read leaves alone must not look right.
      content.fill(block(slot), request: operation == .write ? request : nil)
      let segment = payload.segment(at: slot * parameters.blockBytes, length: parameters.blockBytes)
      let result = try driver.submit(
        operation, sector: content.sector(of: request), data: segment, token: UInt64(request))
      guard result == .added else { break }
      count += 1
    }
    return count
  }

  private func block(_ slot: Int) -> SharedMemory {
    unsafe SharedMemory(payload.host.advanced(by: slot * parameters.blockBytes), byteCount: parameters.blockBytes)
  }
}

/// How long a device may stand still.
struct VFIODeadline {
  // A request that is not back by then never will be.
  private static let patience: UInt64 = 10_000_000_000

  private var last = cring_nanoseconds()

  /// - Parameters:
  ///   - hasProgress: whether something came.
  ///   - done: how far the pass is, in words.
  /// - Throws: ``BenchError/check(_:)`` after ten seconds in which nothing came; ``VFIOInterruption``.
  mutating func check(hasProgress: Bool, _ done: @autoclosure () -> String) throws {
    if Interrupt.isRequested { throw VFIOInterruption() }
    let now = cring_nanoseconds()
    if hasProgress { last = now }
    guard now &- last < Self.patience else {
      throw BenchError.check("the device answered \(done()) and then nothing for ten seconds")
    }
  }
}

/// One queue's load and the thread that runs it, if it is not the only one.
final class VFIOWorker<Queue: DriverQueue & ~Copyable & SendableMetatype>: @unchecked Sendable {
  // One thread's while a pass runs, and the starting thread's between passes.
  private var load: VFIOLoad<Queue>
  private var start: UInt64 = 0
  private var end: UInt64 = 0
  private var outcome: Result<[UInt64], any Error> = .success([])

  init(_ load: consuming VFIOLoad<Queue>) { self.load = load }

  private func run(_ operation: BlockOperation, _ port: VFIOPort, _ sums: [UInt64]) {
    start = cring_nanoseconds()
    do { outcome = .success(try load.pass(operation, port, sums: sums)) } catch { outcome = .failure(error) }
    end = cring_nanoseconds()
  }

  /// One pass of all queues at once.
  ///
  /// - Parameters:
  ///   - workers: one or more.
  ///   - operation: read or write.
  ///   - ports: of each worker's queue.
  ///   - sums: what reads found; filled by the first pass that reads.
  /// - Returns: what all of them took together.
  /// - Throws: the first error of a queue.
  static func pass(
    _ workers: [VFIOWorker], _ operation: BlockOperation, _ ports: [VFIOPort], sums: inout [UInt64]
  ) throws -> VFIORow.Pass {
    let before = workers.map { $0.load.work }
    let wakeUps = ports.reduce(0) { $0 - $1.wakeUps }
    let known = sums
    var threads: [SystemThread] = []
    do {
      defer { for thread in threads { thread.join() } }
      for (worker, port) in zip(workers, ports).dropFirst() {
        threads.append(try SystemThread { worker.run(operation, port, known) })
      }
      workers[0].run(operation, ports[0], known)
    }
    var found: [UInt64] = []
    for worker in workers { found += try worker.outcome.get() }
    if operation == .read, sums.isEmpty { sums = found }
    var work = WorkCounts()
    for (worker, old) in zip(workers, before) { work = work + (worker.load.work - old) }
    // From the first that began to the last that was done.
    let (start, end) = (workers.map(\.start).min() ?? 0, workers.map(\.end).max() ?? 0)
    return VFIORow.Pass(
      requests: workers.reduce(0) { $0 + $1.load.requestCount }, nanoseconds: end &- start, work: work,
      wakeUps: ports.reduce(wakeUps) { $0 + $1.wakeUps })
  }
}

/// Numbered frames that leave a network device and come back as they were, so many outstanding.
///
/// What is behind the device has to return them: a loop in the cable, a reflector, a socket that sends to itself. One
/// that is not back within half a second is sent again. Other frames are not counted.
package struct VFIONetLoad<Queue: DriverQueue & ~Copyable>: ~Copyable {
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
  package init(receive: consuming Queue, transmit: consuming Queue, ports: [VFIOPort], _ plan: NetPlan) {
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
  package mutating func pass() throws -> VFIORow.Pass {
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
  package mutating func finish() throws {
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

/// A pass that was asked to end: it has no figures.
struct VFIOInterruption: Error {}

/// Which block a request is about, and what stands in it: the same on every path, from the seed alone.
package struct VFIOContent {
  private let parameters: VFIOParameters
  private let blocks: UInt64

  /// - Parameters:
  ///   - parameters: the seed and the size of a block.
  ///   - sectorCount: of the device; at least one block's worth.
  package init(_ parameters: VFIOParameters, sectorCount: UInt64) {
    self.parameters = parameters
    blocks = sectorCount / UInt64(parameters.blockBytes / 512)
  }

  package func sector(of request: Int) -> UInt64 { block(of: request) * UInt64(parameters.blockBytes / 512) }

  /// The pattern of a request's block, or what no block holds.
  package func fill(_ memory: SharedMemory, request: Int?) {
    let block = request.map { self.block(of: $0) }
    for offset in stride(from: 0, to: parameters.blockBytes, by: 8) {
      memory.store64(block.map { word($0, offset) } ?? 0xdead_dead_dead_dead, offset)
    }
  }

  /// Compares with the pattern where that was written.
  ///
  /// - Returns: a sum of the block, for comparing one path's reads with another's.
  /// - Throws: ``BenchError/check(_:)`` with the first word that differs.
  package func check(_ memory: SharedMemory, request: Int) throws -> UInt64 {
    let block = block(of: request)
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    for offset in stride(from: 0, to: parameters.blockBytes, by: 8) {
      let found = memory.load64(offset)
      guard !parameters.overwrite || found == word(block, offset) else {
        throw BenchError.check("block \(block) is not what was written, from byte \(offset) on")
      }
      sum = (sum ^ found) &* 0x100_0000_01b3
    }
    return sum
  }

  private func block(of request: Int) -> UInt64 {
    Self.mix(parameters.seed &* 0x1_0000_0001 &+ UInt64(request)) % blocks
  }

  private func word(_ block: UInt64, _ offset: Int) -> UInt64 { Self.mix(block << 24 ^ UInt64(offset)) }

  // splitmix64.
  private static func mix(_ number: UInt64) -> UInt64 {
    var z = number &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Requests through one queue of a disk, so many outstanding, each block checked.
struct VFIOLoad<Queue: DriverQueue & ~Copyable>: ~Copyable {
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
  init(
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

  var work: WorkCounts { driver.queue.work.counts }
  var requestCount: Int { requests.count }

  /// One pass of all its requests.
  ///
  /// - Parameters:
  ///   - operation: read or write.
  ///   - port: of the queue.
  ///   - sums: what reads found in each request's block; empty in the first pass that reads.
  /// - Returns: what this pass's reads found.
  /// - Throws: ``BenchError`` when the device fails, stands still or hands over wrong bytes; ``QueueError``.
  mutating func pass(_ operation: BlockOperation, _ port: VFIOPort, sums: [UInt64]) throws -> [UInt64] {
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

/// A pass that was asked to end: it has no figures.
struct VFIOInterruption: Error {}

/// Which block a request is about, and what stands in it: the same on every path, from the seed alone.
struct VFIOContent {
  private let parameters: VFIOParameters
  private let blocks: UInt64

  /// - Parameters:
  ///   - parameters: the seed and the size of a block.
  ///   - sectorCount: of the device; at least one block's worth.
  init(_ parameters: VFIOParameters, sectorCount: UInt64) {
    self.parameters = parameters
    blocks = sectorCount / UInt64(parameters.blockBytes / 512)
  }

  func sector(of request: Int) -> UInt64 { block(of: request) * UInt64(parameters.blockBytes / 512) }

  /// The pattern of a request's block, or what no block holds.
  func fill(_ memory: SharedMemory, request: Int?) {
    let block = request.map { self.block(of: $0) }
    for offset in stride(from: 0, to: parameters.blockBytes, by: 8) {
      memory.store64(block.map { word($0, offset) } ?? 0xdead_dead_dead_dead, offset)
    }
  }

  /// Compares with the pattern where that was written.
  ///
  /// - Returns: a sum of the block, for comparing one path's reads with another's.
  /// - Throws: ``BenchError/check(_:)`` with the first word that differs.
  func check(_ memory: SharedMemory, request: Int) throws -> UInt64 {
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

import BenchHarness
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Requests through one queue of a device, so many outstanding, each block checked.
package struct VFIOLoad<Queue: DriverQueue & ~Copyable>: ~Copyable {
  // A request that is not back by then never will be.
  private static var patience: UInt64 { 10_000_000_000 }

  private var driver: BlockDriver<Queue>
  private let doorbell: VFIODoorbell
  private let payload: GuestBuffer
  private let parameters: VFIOParameters
  private let content: VFIOContent

  /// Takes a queue that the device has been started with; `payload` holds a block for each outstanding request.
  package init(
    _ driver: consuming BlockDriver<Queue>, doorbell: consuming VFIODoorbell, payload: GuestBuffer,
    _ parameters: VFIOParameters, _ content: VFIOContent
  ) {
    self.driver = driver
    self.doorbell = doorbell
    self.payload = payload
    self.parameters = parameters
    self.content = content
  }

  package var work: WorkCounts { driver.queue.work.counts }

  /// One pass of all requests.
  ///
  /// - Parameters:
  ///   - operation: read or write.
  ///   - sums: what reads found in each request's block; filled by the pass that finds it empty.
  /// - Returns: nanoseconds it took.
  /// - Throws: ``BenchError`` when the device fails, stands still or hands over wrong bytes; ``QueueError``.
  package mutating func pass(_ operation: BlockOperation, sums: inout [UInt64]) throws -> UInt64 {
    let isFirst = operation == .read && sums.isEmpty
    if isFirst { sums = Array(repeating: 0, count: parameters.requests) }
    var (submitted, done) = (0, 0)
    let start = cring_nanoseconds()
    var last = start
    while done < parameters.requests {
      submitted += try submit(operation, from: submitted, atMost: parameters.depth - (submitted - done))
      driver.queue.publish()
      if driver.queue.isNotificationDue() { doorbell.ring(0) }
      var came = 0
      while let completion = try driver.next() {
        let request = Int(completion.token)
        guard completion.status == .done else {
          throw BenchError.check("request \(request): the device says \(completion.status)")
        }
        came += 1
        guard operation == .read else { continue }
        let sum = try content.check(block(completion.slot), request: request)
        if isFirst { sums[request] = sum }
        guard sums[request] == sum else {
          throw BenchError.check("request \(request) read other bytes than the path before it did")
        }
      }
      done += came
      let now = cring_nanoseconds()
      if came > 0 { last = now }
      guard now &- last < Self.patience else {
        throw BenchError.check("the device answered \(done) of \(submitted) requests and then nothing for ten seconds")
      }
      if Interrupt.isRequested { throw VFIOInterruption() }
    }
    return cring_nanoseconds() &- start
  }

  private mutating func submit(_ operation: BlockOperation, from first: Int, atMost room: Int) throws -> Int {
    var count = 0
    while count < room, first + count < parameters.requests, let slot = driver.nextSlot {
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

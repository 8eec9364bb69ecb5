import Testing

@testable import RingKit

/// What a wrong translator returns.
enum WrongAnswer: CaseIterable {
  case empty, oneMore, hidden, acrossTheEnd, nowhere

  func answer(_ right: HostRange, _ hidden: HostAddress, _ end: HostAddress) -> HostRange {
    switch self {
    case .empty: (right.host, 0)
    case .oneMore: (right.host, right.byteCount + 1)
    case .hidden: (hidden, right.byteCount)
    case .acrossTheEnd: unsafe (end.advanced(by: -1), max(right.byteCount, 2))
    case .nowhere: unsafe (HostAddress(rawValue: 4096), right.byteCount)
    }
  }
}

typealias HostRange = (host: HostAddress, byteCount: UInt64)

/// A queue over a wrong path, in a guest of two adjacent shared regions and a private one.
final class WrongRig<Layout: VirtqueueLayout> where Layout.Path == WrongPath {
  let plan = WrongPlan()
  let memory: GuestMemory
  var queue: Virtqueue<Layout>
  /// Memory that the device cannot see, and the end of what it can.
  let hidden: HostAddress
  let end: HostAddress
  private let base: UInt64 = 1 << 30
  private let byteCount = 1 << 18
  private var written: UInt32 = 0

  init(_ features: VirtioFeatures) throws {
    let second = GuestPhysicalAddress(base + UInt64(byteCount))
    let regions = [
      try MemoryRegion(at: GuestPhysicalAddress(base), byteCount: byteCount),
      try MemoryRegion(at: second, byteCount: byteCount),
      try MemoryRegion(at: GuestPhysicalAddress(1 << 40), byteCount: byteCount, isShared: false),
    ]
    memory = try GuestMemory(regions)
    hidden = regions[2].hostBase
    end = unsafe regions[1].hostBase.advanced(by: byteCount)
    queue = try Virtqueue(
      QueueConfiguration(size: 8, features: features.union(.version1)), in: memory, over: WrongPath(memory, plan))
  }

  var isDriverBroken: Bool { queue.driver.isBroken }
  var isDeviceBroken: Bool { queue.device.isBroken }
  var freeCount: Int { queue.driver.freeDescriptorCount }

  func segment(_ i: Int) -> MemorySegment {
    MemorySegment(GuestPhysicalAddress(base + UInt64(byteCount - 4096 + 64 * i)), length: 64)
  }

  /// Makes a buffer available: of one writable segment, of a readable and that many writable ones, of one segment in
  /// two regions (0), or so many buffers of one writable segment (negative).
  func offer(_ shape: Int, written: UInt32 = 0) throws {
    self.written = written
    switch shape {
    case 0:
      let seam = MemorySegment(GuestPhysicalAddress(base + UInt64(byteCount - 32)), length: 64)
      _ = try queue.driver.add(seam, .deviceWritable, token: 1)
    case 1: _ = try queue.driver.add(segment(0), .deviceWritable, token: 1)
    case 2...:
      let writable = (1..<shape).map(segment)
      _ = try queue.driver.add(readable: [segment(0)].span, writable: writable.span, token: 1)
    default:
      _ = try queue.driver.add(atMost: -shape, .deviceWritable) { (segment: segment($0), token: UInt64($0 + 1)) }
    }
    queue.driver.publish()
  }

  /// Whether restoring the device's end with a chain of two segments fails with the fault that names the wrong value.
  ///
  /// `before` translations are right. `restore` gets a state and another translator of the path.
  func held(
    _ before: Int, _ wrong: WrongAnswer,
    _ restore: (QueueState, consuming WrongTranslator) throws(QueueStateError) -> Void
  ) throws -> Bool where Layout.Device: ResumableDeviceQueue {
    try offer(2)
    let chain = try #require(try queue.device.next())
    var segments: [TranslatedSegment] = []
    for index in queue.device.segments.indices { segments.append(queue.device.segments[index]) }
    let state = try queue.device.saveState(isSecure: false, holding: [(chain, segments)])
    for _ in 0..<before { plan.answers.append { $0 } }
    plan.answers.append { wrong.answer($0, self.hidden, self.end) }
    do throws(QueueStateError) {
      try restore(state, WrongPath(memory, plan).makeTranslator())
      return false
    } catch {
      guard let (address, range, limit) = plan.last else { return false }
      let fault: DMAFault =
        range.byteCount == 0 || range.byteCount > limit
        ? .wrongCount(address, byteCount: range.byteCount, limit: limit)
        : .wrongTarget(address, range.host, byteCount: range.byteCount)
      return error == .chain(id: chain.id, .fault(fault))
    }
  }

  /// What the device throws when it takes everything.
  func deviceError(serves: Bool = true) -> QueueError? {
    error {
      if serves {
        let count = written
        do throws(ServeError<Never>) { _ = try queue.device.serve(atMost: 8) { _, _ throws(Never) in count } } catch {
          switch error {
          case .queue(let error): throw error
          }
        }
      } else {
        while try queue.device.next() != nil {}
      }
    }
  }

  func error(_ body: () throws -> Void) -> QueueError? {
    do {
      try body()
      return nil
    } catch { return error as? QueueError }
  }
}

import RingKit
import RingKitTesting
import Testing

private typealias Direct = DirectMapper<UncountedWork>

@Suite("The rules as checks of a user's own queue")
struct QueueChecksTests {
  private func outcomes<Layout: VirtqueueLayout>(
    _ layout: Layout.Type, size: Int = 8
  ) throws -> [QueueOutcome] where Layout.Path == Direct {
    try QueueChecks<Layout>(queueSize: size) { memory in DirectMapper(memory) }.run()
  }

  @Test("RingKit's own queues keep every rule that can be called")
  func own() throws {
    let split = try outcomes(Split<Direct>.self)
    let packed = try outcomes(Packed<Direct>.self) + outcomes(Packed<Direct>.self, size: 9)
    #expect((split + packed).filter { !$0.isKept } == [])
    #expect(Set((split + packed).map(\.rule)) == Set(QueueRule.allCases), "each rule has a check")
    #expect(split.allSatisfy { $0.rule.rawValue.hasPrefix("S") && $0.queue.hasPrefix("split") })
    #expect(packed.allSatisfy { $0.rule.rawValue.hasPrefix("P") && $0.queue.hasPrefix("packed") })
  }

  @Test("they do over a path that bounces")
  func bouncing() throws {
    let split = try QueueChecks<Split<SwiotlbMapper<UncountedWork>>> { try SwiotlbMapper($0) }.run()
    let packed = try QueueChecks<Packed<SwiotlbMapper<UncountedWork>>> { try SwiotlbMapper($0) }.run()
    #expect((split + packed).filter { !$0.isKept } == [])
  }

  private func broken<Layout: VirtqueueLayout>(
    _ layout: Layout.Type
  ) throws -> Set<QueueRule> where Layout.Path == Direct {
    Set(try outcomes(layout).filter(\.isBroken).map(\.rule))
  }

  @Test("a device that completes out of order where IN_ORDER was agreed on")
  func outOfOrder() throws {
    #expect(try broken(FaultySplit<SwapsPairs>.self) == [.s27])
    #expect(try broken(FaultyPacked<SwapsPairs>.self) == [.p18])
  }

  @Test("a device that loses a buffer")
  func losesABuffer() throws {
    #expect(try broken(FaultySplit<LosesThird>.self) == [.s27])
    #expect(try broken(FaultyPacked<LosesThird>.self) == [.p18])
  }

  @Test("a device that reports more than it wrote")
  func tooLong() throws {
    let split = try outcomes(FaultySplit<ReportsMore>.self)
    #expect(Set(split.filter(\.isBroken).map(\.rule)) == [.s28])
    #expect(try broken(FaultyPacked<ReportsMore>.self) == [.p21])
    // What the driver makes of it cannot be told from this device, and the outcome says so.
    let handedOn = split.filter { $0.rule == .s15 }
    #expect(handedOn.allSatisfy { !$0.isKept && !$0.isBroken && $0.description.contains("could not be checked") })
  }

  @Test("a device that asks for no notification where EVENT_IDX was agreed on, by the flag")
  func flags() throws { #expect(try broken(FaultySplit<IgnoresEvents>.self).contains(.s29)) }

  @Test("a layout whose ring is not the first that it allocates is refused")
  func elsewhere() {
    #expect(throws: (any Error).self) { _ = try outcomes(FaultySplit<RingElsewhere>.self) }
  }
}

/// What a faulty device does instead of completing a buffer.
private protocol Fault: Sendable {
  init()
  /// Features that the device under the fault is not told of.
  static var hidden: VirtioFeatures { get }
  /// Bytes that are allocated before the ring.
  static var before: Int { get }
  mutating func complete(_ chain: DeviceChain, _ written: UInt32) -> [(DeviceChain, UInt32)]
}

extension Fault {
  static var hidden: VirtioFeatures { [] }
  static var before: Int { 0 }
  mutating func complete(_ chain: DeviceChain, _ written: UInt32) -> [(DeviceChain, UInt32)] { [(chain, written)] }
}

private struct SwapsPairs: Fault {
  static var hidden: VirtioFeatures { .inOrder }
  private var held: (DeviceChain, UInt32)?

  /// The first of two waits for the second, which is the one the driver sees first.
  mutating func complete(_ chain: DeviceChain, _ written: UInt32) -> [(DeviceChain, UInt32)] {
    guard let first = held else {
      held = (chain, written)
      return []
    }
    held = nil
    return [(chain, written), first]
  }
}

private struct LosesThird: Fault {
  private var count = 0

  mutating func complete(_ chain: DeviceChain, _ written: UInt32) -> [(DeviceChain, UInt32)] {
    count += 1
    return count == 3 ? [] : [(chain, written)]
  }
}

private struct ReportsMore: Fault {
  mutating func complete(_ chain: DeviceChain, _ written: UInt32) -> [(DeviceChain, UInt32)] {
    [(chain, UInt64(written) < chain.writableByteCount ? written + 1 : written)]
  }
}

private struct IgnoresEvents: Fault {
  static var hidden: VirtioFeatures { .eventIndex }
}

private struct RingElsewhere: Fault {
  static var before: Int { 4096 }
}

/// A split queue of a user's own making: RingKit's driver, and a device with a fault.
private enum FaultySplit<Kind: Fault>: VirtqueueLayout {
  typealias Path = Direct
  typealias Driver = SplitDriverQueue<Direct>
  typealias Device = FaultyDevice<SplitDeviceQueue<Direct.Translator>, Kind>

  static func byteCount(size: Int) -> Int { SplitRing.byteCount(size: size) }

  static func makeEnds(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Direct
  ) throws -> Virtqueue<Self> {
    let parts = try parts(configuration, memory, Kind.before, byteCount(size: configuration.size))
    let ring = try SplitRing(in: parts.ring, size: configuration.size)
    let translator = path.makeTranslator()
    var visible = configuration
    visible.features.subtract(Kind.hidden)
    return Virtqueue(
      try SplitDriverQueue(configuration, ring: ring, indirectTables: parts.tables, mapper: path),
      FaultyDevice(try SplitDeviceQueue(visible, ring: ring, translator: translator)))
  }
}

/// The same with a packed ring.
private enum FaultyPacked<Kind: Fault>: VirtqueueLayout {
  typealias Path = Direct
  typealias Driver = PackedDriverQueue<Direct>
  typealias Device = FaultyDevice<PackedDeviceQueue<Direct.Translator>, Kind>

  static func byteCount(size: Int) -> Int { PackedRing.byteCount(size: size) }

  static func makeEnds(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Direct
  ) throws -> Virtqueue<Self> {
    let parts = try parts(configuration, memory, Kind.before, byteCount(size: configuration.size))
    let ring = try PackedRing(in: parts.ring, size: configuration.size)
    let translator = path.makeTranslator()
    var configuration = configuration
    configuration.features.insert(.packedRing)
    var visible = configuration
    visible.features.subtract(Kind.hidden)
    return Virtqueue(
      try PackedDriverQueue(configuration, ring: ring, indirectTables: parts.tables, mapper: path),
      FaultyDevice(try PackedDeviceQueue(visible, ring: ring, translator: translator)))
  }
}

private func parts(
  _ configuration: QueueConfiguration, _ memory: GuestMemory, _ before: Int, _ byteCount: Int
) throws -> (ring: GuestBuffer, tables: GuestBuffer?) {
  if before > 0 { _ = try memory.allocate(before) }
  let ring = try memory.allocate(byteCount, alignment: 128)
  let tables = configuration.indirectByteCount
  return (ring, tables > 0 ? try memory.allocate(tables) : nil)
}

/// A device queue with a fault.
private struct FaultyDevice<Base: DeviceQueue & ~Copyable, Kind: Fault>: DeviceQueue, ~Copyable {
  private var base: Base
  private var kind = Kind()

  init(_ base: consuming Base) { self.base = base }

  mutating func complete(_ chain: DeviceChain, written: UInt32) {
    for (chain, written) in kind.complete(chain, written) { base.complete(chain, written: written) }
  }

  var work: Base.Counter { base.work }
  var size: Int { base.size }
  var inFlightCount: Int { base.inFlightCount }
  var isBroken: Bool { base.isBroken }
  mutating func next() throws(QueueError) -> DeviceChain? { try base.next() }
  var segments: Span<TranslatedSegment> { @_lifetime(borrow self) get { base.segments } }
  mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int { try base.serve(atMost: limit, body) }
  mutating func publish() { base.publish() }
  mutating func isNotificationDue() -> Bool { base.isNotificationDue() }
  mutating func enableNotifications() -> Bool { base.enableNotifications() }
  mutating func disableNotifications() { base.disableNotifications() }
  mutating func service() { base.service() }
  mutating func shareThread(_ isShared: Bool) { base.shareThread(isShared) }
  mutating func resume(at position: UInt16) -> Bool { base.resume(at: position) }
  mutating func reset() {
    base.reset()
    kind = Kind()
  }
}

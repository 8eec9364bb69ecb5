public import RingKit

/// The rules of `Documentation/rules.md` that show from outside, as checks of a layout of your own: of its driver
/// queue, its device queue, or both.
///
///     let outcomes = try QueueChecks<MyLayout<DirectMapper<UncountedWork>>> { memory in DirectMapper(memory) }.run()
///     #expect(outcomes.filter { !$0.isKept } == [])
///
/// Each check sets a queue of its own up and looks at, or writes, its ring beside the two ends, by offsets that are
/// not RingKit's. What a check needs of the other end it needs of the layout's: put one of RingKit's queues there to
/// check yours alone. Runs on the calling thread, in a few seconds.
///
/// The layout has to lay its ring out as `SplitRing` or `PackedRing` do in one buffer, and to allocate it before
/// anything else, at a multiple of 128. What ``QueueRule`` leaves out, and why, stands there.
public struct QueueChecks<Layout: VirtqueueLayout> {
  private let size: Int
  private let makePath: (GuestMemory) throws -> Layout.Path

  /// Checks of a layout's queues over what `makePath` makes.
  ///
  /// - Parameters:
  ///   - queueSize: descriptors of each queue, 8 to 256; a power of two for a split ring.
  ///   - makePath: makes a path over a guest's memory, from which it may allocate up to 2 MiB. It has to take twice as
  ///     many segments in flight as the queue has descriptors.
  public init(queueSize: Int = 8, over makePath: @escaping (GuestMemory) throws -> Layout.Path) {
    precondition((8...256).contains(queueSize), "a queue of 8 to 256 descriptors is checked, not of \(queueSize)")
    (size, self.makePath) = (queueSize, makePath)
  }

  /// Runs every check of the layout's kind.
  ///
  /// - Returns: what came of each rule with each set of features.
  /// - Throws: what `makePath` throws, or why there is no such queue.
  public func run() throws -> [QueueOutcome] {
    let isPacked = Layout.byteCount(size: size) == PackedRing.byteCount(size: size)
    var outcomes: [QueueOutcome] = []
    for check in ObservedQueue<Layout>.driverChecks + ObservedQueue<Layout>.deviceChecks {
      for rule in isPacked ? check.packed : check.split {
        for features in check.features {
          let features = features.union(.version1)
          var observed = try ObservedQueue<Layout>(
            QueueConfiguration(size: size, features: features, indirectCapacity: size), makePath)
          var (isBroken, reason): (Bool, String?) = (false, nil)
          do { try check.body(&observed) } catch {
            isBroken = error is Seen
            reason = "\(error)"
          }
          observed.end()
          outcomes.append(
            QueueOutcome(
              rule: rule, queue: "\(isPacked ? "packed" : "split"), \(features)", isBroken: isBroken, reason: reason))
        }
      }
    }
    return outcomes
  }
}

/// What came of one rule on one queue.
public struct QueueOutcome: Equatable, Sendable, CustomStringConvertible {
  /// The rule.
  public let rule: QueueRule
  /// The queue: layout and features.
  public let queue: String
  /// Whether the rule was seen to be broken.
  public let isBroken: Bool
  /// What was seen, or why nothing could be: mostly because something else is wrong; `nil` when the rule is kept.
  public let reason: String?

  /// Whether the rule was seen to be kept.
  public var isKept: Bool { reason == nil }

  /// One line.
  public var description: String {
    "\(rule.rawValue) \(isKept ? "is kept" : isBroken ? "is broken" : "could not be checked") (\(queue))"
      + (reason.map { ": \($0)" } ?? "")
  }
}

/// One check, for the rules of either layout that it is about.
struct QueueCheck<Layout: VirtqueueLayout> {
  let split: [QueueRule]
  let packed: [QueueRule]
  let features: [VirtioFeatures]
  let body: (inout ObservedQueue<Layout>) throws -> Void

  init(
    _ split: QueueRule?, _ packed: QueueRule?..., with features: [VirtioFeatures] = [[]],
    _ body: @escaping (inout ObservedQueue<Layout>) throws -> Void
  ) {
    self.split = [split].compactMap(\.self)
    self.packed = packed.compactMap(\.self)
    (self.features, self.body) = (features, body)
  }
}

/// Why a rule could not be looked at.
struct Unable: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Sees that something holds.
func expect(_ holds: Bool, _ what: @autoclosure () -> String) throws(Seen) { if !holds { throw Seen(what()) } }

extension ObservedQueue {
  /// Buffers of every shape: readable and writable segments of 64 bytes.
  static var shapes: [(readable: Int, writable: Int)] { [(1, 0), (0, 1), (2, 0), (0, 3), (1, 1), (2, 3), (1, 4)] }

  /// Makes a buffer available, with nothing else in the ring.
  ///
  /// - Returns: the buffer as it stands in the ring.
  mutating func offer(_ readable: Int, _ writable: Int) throws -> RingMemory.Chain {
    try add(readable: [Int](repeating: 64, count: readable), writable: [Int](repeating: 64, count: writable))
    queue.driver.publish()
    guard let chain = ring.chain(at: position) else { throw Unable("a published buffer is not in the ring") }
    return chain
  }

  /// Takes a buffer at the device's end.
  mutating func fetch() throws -> DeviceChain {
    guard let chain = try queue.device.next() else { throw Unable("the device does not find a buffer in the ring") }
    return chain
  }

  /// Notes at the device's end that a chain is done, where it can take so many bytes: a driver that is wrong elsewhere
  /// may have made it another one.
  mutating func complete(_ chain: DeviceChain, written: UInt32) throws {
    guard UInt64(written) <= chain.writableByteCount else {
      throw Unable("\(written) bytes are to be written into a buffer that takes \(chain.writableByteCount)")
    }
    queue.device.complete(chain, written: written)
  }

  /// Lets the one buffer in the ring come back.
  mutating func finish(written: UInt32 = 0) throws {
    let chain = try fetch()
    try complete(chain, written: written)
    queue.device.publish()
    guard try queue.driver.nextUsed() != nil else { throw Unable("a completed buffer does not come back") }
    position += ring.isPacked ? Int(chain.descriptorCount) : 1
  }

  /// What the ring has available now.
  var chains: [RingMemory.Chain] { ring.chains(from: position) }

  /// The entries of the table that a descriptor leads to.
  func table(_ descriptor: RawDescriptor) throws -> [RawDescriptor] {
    let address = GuestPhysicalAddress(descriptor.address)
    guard let buffer = memory.sharedBuffer(at: address, byteCount: Int(descriptor.length)) else {
      throw Unable("the table at \(address) is not at a guest-physical address, so it cannot be looked at")
    }
    return RingMemory([buffer, buffer, buffer], isPacked: ring.isPacked, size: Int(descriptor.length) / 16).entries
  }

  /// The elements of a buffer, those in tables too, and the tables.
  func elements(_ chain: RingMemory.Chain) throws -> (all: [RawDescriptor], tables: [[RawDescriptor]]) {
    var (all, tables): ([RawDescriptor], [[RawDescriptor]]) = ([], [])
    for descriptor in chain.descriptors {
      if descriptor.flags & RawDescriptor.indirect == 0 {
        all.append(descriptor)
      } else {
        try tables.append(table(descriptor))
        all += tables[tables.count - 1]
      }
    }
    return (all, tables)
  }
}

extension RingMemory {
  /// Every descriptor, in slots' order.
  var entries: [RawDescriptor] { (0..<size).map { self[$0] } }
}

public import RingKit

/// What a queue relies on in a DMA path, as checks for the tests of a path of your own.
///
///     let findings = try PathChecks { memory in try MyPath(memory) }.run()
///     #expect(findings == [])
///
/// Each check sets a queue of its own up, in both layouts and with each set of ring features, over a path that the
/// closure makes. Runs on the calling thread, in a few seconds. Not a check of speed, nor of what a path protects from.
public struct PathChecks<Path: PairedPath & ~Copyable> {
  private let longestSegment: Int
  private let makePath: (GuestMemory) throws -> Path

  /// Checks of what `makePath` makes.
  ///
  /// - Parameters:
  ///   - longestSegment: bytes of the longest segment that the path takes, at least 64.
  ///   - makePath: makes a path over a guest's memory, from which it may allocate up to 8 MiB. It has to take 16
  ///     segments in flight.
  public init(longestSegment: Int = 8192, _ makePath: @escaping (GuestMemory) throws -> Path) {
    precondition(longestSegment >= 64, "a path takes segments of at least 64 bytes")
    self.longestSegment = longestSegment
    self.makePath = makePath
  }

  /// Runs every check.
  ///
  /// The guest's memory takes pages of the machine's as they are touched.
  ///
  /// - Returns: what does not hold, a line each.
  /// - Throws: what `makePath` throws, or `MemoryError` when there is no memory for the guest.
  public func run() throws -> [PathFinding] {
    var findings: [PathFinding] = []
    for features in [VirtioFeatures(), .inOrder, .indirectDescriptors, .eventIndex] {
      try findings += run(Split<Path>.self, "split", features.union(.version1))
      try findings += run(Packed<Path>.self, "packed", features.union(.version1))
    }
    return findings
  }

  private func run<Layout: VirtqueueLayout>(
    _ layout: Layout.Type, _ name: String, _ features: VirtioFeatures
  ) throws -> [PathFinding] where Layout.Path == Path {
    var findings: [PathFinding] = []
    for check in PathCheck.allCases {
      // Pages that no check touches are never taken: the memory is made anew for each.
      let memory = try GuestMemory([MemoryRegion(sparse: 16 << 20, at: GuestPhysicalAddress(1 << 30))])
      let trial = try PathTrial<Layout>(
        memory, makePath(memory), QueueConfiguration(size: 8, features: features), longestSegment: longestSegment)
      do { try trial.run(check) } catch {
        findings.append(PathFinding(check: check, queue: "\(name), \(features)", reason: "\(error)"))
      }
    }
    return findings
  }
}

/// One thing that a queue relies on in a DMA path.
public enum PathCheck: String, CaseIterable, Sendable {
  /// A device reads the bytes that the driver wrote, whatever the length.
  case readableBytesArrive
  /// The driver finds the bytes that the device wrote, as many as the completion says.
  case writtenBytesComeBack
  /// A chain of several segments carries its bytes both ways.
  case chainsArrive
  /// Bytes beside a buffer stay as they were.
  case neighboursStay
  /// Each buffer of a full ring comes back once.
  case batchesComeBackOnce
  /// What was mapped can be mapped again, any number of times: nothing leaks.
  case nothingLeaks
  /// A segment outside the guest's memory is refused, by the driver's side or the device's.
  case outsideIsRefused
}

/// A check that a path did not pass.
public struct PathFinding: Equatable, Sendable, CustomStringConvertible {
  /// What does not hold.
  public let check: PathCheck
  /// The queue it was seen on: layout and features.
  public let queue: String
  /// What was seen.
  public let reason: String

  /// One line.
  public var description: String { "\(check.rawValue) (\(queue)): \(reason)" }
}

/// A queue over the path under test, with payload between guard bytes.
private final class PathTrial<Layout: VirtqueueLayout> {
  private static var guardByte: UInt8 { 0xA5 }
  private var queue: Virtqueue<Layout>
  private let memory: GuestMemory
  private let payload: GuestBuffer
  private let longest: Int
  private let lengths: [Int]
  private var token: UInt64 = 0

  init(
    _ memory: GuestMemory, _ path: consuming Layout.Path, _ configuration: QueueConfiguration, longestSegment: Int
  ) throws {
    self.memory = memory
    longest = longestSegment
    lengths = Set([1, 7, 63, 64, 65, 1500, 2048, 4095, 4096, longestSegment].filter { $0 <= longestSegment }).sorted()
    payload = try memory.allocate(16 * (longest + 128), alignment: 4096)
    payload.copyIn([UInt8](repeating: Self.guardByte, count: payload.byteCount))
    queue = try Virtqueue<Layout>(configuration, in: memory, over: path)
  }

  func run(_ check: PathCheck) throws {
    switch check {
    case .readableBytesArrive: for length in lengths { try trip(readable: [length], writable: []) }
    case .writtenBytesComeBack:
      for length in lengths {
        for written in Set([0, 1, length / 2, length]) { try trip(readable: [], writable: [length], written: written) }
      }
    case .chainsArrive:
      let short = min(longest, 100)
      try trip(readable: [short, 1, 64], writable: [64, short], written: 64 + short)
      try trip(readable: [16], writable: [64, short, 1], written: 70)
    case .neighboursStay:
      for length in lengths {
        try trip(readable: [length], writable: [length], written: length)
        try expectGuards()
      }
    case .batchesComeBackOnce: for _ in 0..<20 { try batch(8) }
    case .nothingLeaks: for i in 0..<2000 { try trip(readable: [1 + i % 64], writable: [1 + i % 64], written: 1) }
    case .outsideIsRefused: try outside()
    }
  }

  private func slot(_ i: Int) -> Int { i * (longest + 128) + 64 }

  private static func pattern(_ seed: UInt64, _ count: Int) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  /// One buffer there and back.
  private func trip(readable: [Int], writable: [Int], written: Int = 0) throws {
    token += 1
    let sent = Self.pattern(token, readable.reduce(0, +))
    let answer = Self.pattern(~token, written)
    var (at, segments): (Int, [MemorySegment]) = (0, [])
    for (i, length) in (readable + writable).enumerated() {
      if i < readable.count {
        payload.copyIn(Array(sent[at..<at + length]), at: slot(i))
        at += length
      }
      segments.append(payload.segment(at: slot(i), length: length))
    }
    let (first, rest) = (Array(segments[..<readable.count]), Array(segments[readable.count...]))
    guard try queue.driver.add(readable: first.span, writable: rest.span, token: token) == .added else {
      throw Seen("an empty ring of 8 has no room for \(segments.count) segments")
    }
    queue.driver.publish()
    let served = try queue.device.serve(atMost: 8) { _, segments throws(Seen) in
      guard segments.copyOut() == sent else {
        throw Seen("the device reads other bytes than the driver wrote, in segments of \(readable) bytes")
      }
      return segments.copyIn(answer)
    }
    guard served == 1 else { throw Seen("the device found \(served) buffers instead of 1") }
    guard let done = try queue.driver.nextUsed() else { throw Seen("the buffer did not come back") }
    guard done.token == token, Int(done.writtenByteCount) == written else {
      throw Seen("buffer \(done.token) came back with \(done.writtenByteCount) bytes, not \(token) with \(written)")
    }
    var found: [UInt8] = []
    for (i, length) in writable.enumerated() where found.count < written {
      found += payload.copyOut(at: slot(readable.count + i), byteCount: min(length, written - found.count))
    }
    guard found == answer else {
      throw Seen("the driver finds other bytes than the device wrote: \(written) in segments of \(writable)")
    }
    for (i, length) in (readable + writable).enumerated() {
      payload.copyIn([UInt8](repeating: Self.guardByte, count: length), at: slot(i))
    }
  }

  private func expectGuards() throws {
    guard let at = payload.copyOut().firstIndex(where: { $0 != Self.guardByte }) else { return }
    throw Seen("byte \(at) of the payload, beside the buffers, was changed to \(payload[at])")
  }

  private func batch(_ count: Int) throws {
    let length = min(longest, 64)
    let segments = (0..<count).map { payload.segment(at: slot($0), length: length) }
    let added = try queue.driver.add(atMost: count, .deviceWritable) { i in
      (segment: segments[i], token: UInt64(i))
    }
    guard added == count else { throw Seen("a ring of 8 took \(added) of \(count) buffers") }
    queue.driver.publish()
    _ = try queue.device.serve(atMost: count) { _, segments throws(Never) in segments.copyIn([1]) }
    var back: [UInt64] = []
    while let done = try queue.driver.nextUsed() { back.append(done.token) }
    guard back.sorted() == (0..<UInt64(count)).map(\.self) else { throw Seen("of \(count) buffers came back: \(back)") }
    for i in 0..<count { payload.copyIn([UInt8](repeating: Self.guardByte, count: length), at: slot(i)) }
    try queue.driver.poll()
    try queue.driver.flush()
  }

  private func outside() throws {
    let segment = MemorySegment(GuestPhysicalAddress(1 << 45), length: 64)
    do throws(QueueError) {
      _ = try queue.driver.add(segment, .deviceReadable, token: 1)
      queue.driver.publish()
      _ = try queue.device.next()
    } catch {
      switch error {
      case .mapping, .fault: return
      default: throw Seen("it ended with: \(error)")
      }
    }
    throw Seen("64 bytes at \(segment.address), which is no memory, reached the device")
  }
}

#if Bench
import CRingBench
import Glibc
import RingIOMMU
import RingKit
import RingPlatform
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

/// A driver of a secure guest, whose device is a process that can be killed and replaced.
///
/// The payload is private and the bounce pool shared; or, where each buffer is mapped, the payload is shared and behind
/// a domain that is. Buffers have numbers, which are their tokens and what their bytes are made of.
final class IsolatedRig {
  struct Kind: Sendable, CustomStringConvertible {
    var ring: RingLayout
    var isInOrder: Bool
    var direction: DMADirection
    var path = DMAPath.swiotlb

    var description: String { "\(path.name), \(ring.name)\(isInOrder ? ", in-order" : ""), \(direction.name)" }

    /// The policy of a path that maps each buffer.
    var policy: IOMMUPolicy? { path == .iommuStrict ? .strict : path == .iommuLazy ? .lazy : nil }

    static let all: [Kind] = RingLayout.allCases.flatMap { ring in
      [false, true].flatMap { inOrder in
        DMADirection.allCases.map { Kind(ring: ring, isInOrder: inOrder, direction: $0) }
      }
    }
  }

  static let size = 64
  static let depth = 48
  static let batch = 16
  static let bytes = 4096

  let kind: Kind
  private(set) var added: UInt64 = 0
  private(set) var returned: UInt64 = 0
  private let regions: [MemoryRegion]
  private let payload: PayloadPool
  private let description: DeviceQueueDescription
  private let end: End
  private let domain: IOMMUDomain?
  /// The device's slot in the domain.
  private(set) var attachment: DomainAttachment?
  private var steps = 0

  /// The queue, whatever its layout.
  private struct End {
    var add: (DMADirection, (Int) -> (segment: MemorySegment, token: UInt64)) throws -> Int
    var publish: () -> Void
    var next: () throws -> Completion?
    var batch: () -> (found: [Completion], failure: (any Error)?)
    var reset: () throws -> [UInt64]
    var position: () -> UInt16?
    var inFlight: () -> Int

    init<Driver: DriverQueue & ~Copyable>(_ driver: consuming Driver) {
      let box = Box(driver)
      add = { try box.value.add(atMost: IsolatedRig.batch, $0, $1) }
      publish = { box.value.publish() }
      next = { try box.value.nextUsed() }
      batch = { Self.reclaim(&box.value) }
      reset = {
        var tokens: [UInt64] = []
        try box.value.reset { tokens.append($0) }
        return tokens
      }
      position = { box.value.devicePosition }
      inFlight = { box.value.inFlightCount }
    }

    private static func reclaim<Driver: DriverQueue & ~Copyable>(
      _ driver: inout Driver
    ) -> (found: [Completion], failure: (any Error)?) {
      var failure: (any Error)?
      do { _ = try driver.reclaim(atMost: IsolatedRig.batch) } catch { failure = error }
      // What came before the failure came.
      return (driver.completions.indices.map { driver.completions[$0] }, failure)
    }
  }

  init(_ kind: Kind) throws {
    self.kind = kind
    let rings = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 64 << 10)
    let pool = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: 1 << 20)
    let hidden = try MemoryRegion(
      at: GuestPhysicalAddress(16 << 30), byteCount: Payload.stride(for: Self.bytes) * Self.depth,
      isShared: kind.policy != nil)
    regions = [rings, pool, hidden]
    let memory = try GuestMemory(regions)
    var hiddenAllocator = RegionAllocator(hidden)
    payload = PayloadPool(try hiddenAllocator.allocate(hidden.byteCount), bytes: Self.bytes)
    var ringAllocator = RegionAllocator(rings)
    let buffer = try ringAllocator.allocate(32 << 10, alignment: 128)
    if let policy = kind.policy {
      var configuration = IOMMUConfiguration()
      // Longer than any test may wait: what ends a wait here is the end of the device.
      configuration.invalidationTimeout = 300_000_000_000
      let domain = try IOMMUDomain(sharing: memory, tablePages: 64, configuration: configuration)
      self.domain = domain
      (description, end) = try Self.connect(
        kind, buffer, IOMMUMapper(domain: domain, policy: policy, counter: UncountedWork()))
    } else {
      domain = nil
      var allocator = RegionAllocator(pool)
      let bounce = try SwiotlbPool(try allocator.allocate(1 << 20, alignment: 4096))
      (description, end) = try Self.connect(
        kind, buffer, SwiotlbMapper(memory: memory, pool: bounce, counter: UncountedWork()))
    }
  }

  private static func connect<Mapper: DMAMapper & ~Copyable>(
    _ kind: Kind, _ buffer: GuestBuffer, _ mapper: consuming Mapper
  ) throws -> (DeviceQueueDescription, End) {
    var features: VirtioFeatures = [.version1, .accessPlatform]
    if kind.isInOrder { features.insert(.inOrder) }
    if kind.ring == .packed { features.insert(.packedRing) }
    let configuration = QueueConfiguration(size: size, features: features)
    switch kind.ring {
    case .split:
      let ring = try SplitRing(in: buffer, size: size)
      let description = DeviceQueueDescription(configuration, ring)
      return (description, End(try SplitDriverQueue(configuration, ring: ring, mapper: mapper)))
    case .packed:
      let ring = try PackedRing(in: buffer, size: size)
      let description = DeviceQueueDescription(configuration, ring)
      return (description, End(try PackedDriverQueue(configuration, ring: ring, mapper: mapper)))
    }
  }

  var inFlight: Int { end.inFlight() }

  /// Where the next device goes on.
  var position: UInt16? { end.position() }

  /// A new process, which goes on where the last one ended.
  func startDevice(
    at position: UInt16? = nil, patience: UInt64 = 10_000_000_000
  ) throws -> (device: IsolatedDevice, process: ChildProcess) {
    let program = try #require(RingBenchProgram.path, "there is no ringbench beside the tests")
    let link = try DeviceLink(starting: program, [BenchProcess.device, "--parent", "\(getpid())"])
    let process = try #require(link.process)
    return (try attach(link, at: position, patience: patience), process)
  }

  /// Hands the guest to the device at the other end of a link.
  func attach(
    _ link: DeviceLink, at position: UInt16? = nil, patience: UInt64 = 10_000_000_000
  ) throws -> IsolatedDevice {
    let device = try IsolatedDevice(link, regions, mostQueues: 1, patience: patience)
    var queue = description
    queue.position = try position ?? #require(end.position(), "completions were left in the ring")
    var load = IsolatedLoad()
    load.direction = kind.direction
    load.bytes = Self.bytes
    // A batch that is cut off must not leave anything behind: see PackedDeviceQueue.resume(at:).
    load.batch = kind.ring == .packed && !kind.isInOrder ? 1 : Self.batch
    load.sequence = returned
    let attachment = try domain.map { try DomainAttachment($0) }
    queue.domain = attachment?.shared
    #expect(try device.attach(queue, load, counts: false, attachment: attachment) == 0)
    self.attachment = attachment
    let cpus = Machine.read().cpus
    try device.start(deviceCPU: cpus[cpus.count - 1], watcherCPU: cpus[0])
    device.peer.barrier.open(.slice(benchCase: 0))
    return device
  }

  /// Tops the ring up and takes what came back: once each, in turn, with the right bytes.
  ///
  /// - Returns: whether anything moved.
  func step(adding: Bool = true) throws -> Bool {
    let before = (added, returned)
    if adding { try fill() }
    // Batches are counted through, single ones looked up: a position is right after either.
    steps += 1
    while true {
      let (found, failure) = try steps % 3 == 0 ? ([end.next()].compactMap(\.self), nil) : end.batch()
      for done in found { try take(done) }
      if let failure { throw failure }
      if found.isEmpty { break }
    }
    return before != (added, returned)
  }

  /// After the device's end: its slot is given up, what it had completed is taken back, and what a queue that broke
  /// over an unmap had not returned is sent once more.
  ///
  /// - Returns: whether the queue was broken.
  func leave() throws -> Bool {
    attachment?.detach()
    attachment = nil
    do {
      while try step(adding: false) {}
      return false
    } catch is QueueError {
      let left = try end.reset()
      #expect(left == Array(returned..<added), "\(kind): each buffer that did not come back is reported once")
      added = returned
      return true
    }
  }

  private func take(_ done: Completion) throws {
    try #require(done.token == returned, "\(kind): buffer \(done.token) came back where \(returned) was due")
    if kind.direction == .deviceWritable {
      try #require(done.writtenByteCount == UInt32(Self.bytes))
      let isRight = unsafe crb_check(host(returned).pointer, Self.bytes, returned)
      try #require(isRight, "\(kind): buffer \(returned) came back with wrong bytes")
    }
    returned += 1
  }

  /// Waits until so many more came back, under load; or, without a number, all that is in flight.
  func exchange(_ count: UInt64?, _ device: IsolatedDevice) throws {
    let target = count.map { returned + $0 } ?? added
    var idle = 0
    while returned < target, !device.isGone {
      if try step(adding: count != nil) {
        idle = 0
        continue
      }
      idle += 1
      // Some 20 µs a turn and more: minutes without a single buffer.
      try #require(idle < 5_000_000, "\(kind): \(inFlight) buffers do not come back from \(returned) on")
      usleep(20)
    }
  }

  private func fill() throws {
    while Int(added - returned) + Self.batch <= Self.depth {
      for number in added..<added + UInt64(Self.batch) {
        if kind.direction == .deviceReadable {
          unsafe crb_fill(host(number).pointer, Self.bytes, number)
        } else {
          // What an earlier buffer left there must not pass for this one's.
          unsafe memset(host(number).pointer, 0xee, Self.bytes)
        }
      }
      let (first, payload) = (added, payload)
      let count = try end.add(kind.direction) { i in
        let number = first + UInt64(i)
        return (payload.segment(Int(number % UInt64(Self.depth))), number)
      }
      try #require(count == Self.batch)
      added += UInt64(count)
      end.publish()
    }
  }

  private func host(_ number: UInt64) -> HostAddress { payload.host(Int(number % UInt64(Self.depth))) }
}
#endif

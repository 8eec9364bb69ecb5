internal import Glibc
internal import Synchronization

/// A ring layout over a DMA path: the queue types of both ends, and how a ring of the layout is set up.
///
/// ``Split`` and ``Packed`` are the two there are; code that works on both is generic over this.
public protocol VirtqueueLayout<Path> {
  /// How buffers reach the device.
  associatedtype Path: PairedPath & ~Copyable
  /// The driver's end.
  associatedtype Driver: DriverQueue & ~Copyable where Driver.Counter == Path.Counter
  /// The device's end.
  associatedtype Device: DeviceQueue & ~Copyable where Device.Counter == Path.Counter

  /// Bytes a ring of `size` descriptors takes.
  static func byteCount(size: Int) -> Int

  /// Both ends of a new queue whose ring lies in `memory`; clears the ring.
  ///
  /// - Parameters:
  ///   - configuration: size and features; RING_PACKED is set as the layout has it.
  ///   - memory: where the ring and, with INDIRECT_DESC, the indirect tables are allocated.
  ///   - path: the driver's side, from now on the driver queue's own.
  /// - Returns: the two ends.
  /// - Throws: ``MemoryError`` or ``ConfigurationError``.
  static func makeEnds(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Path
  ) throws -> Virtqueue<Self>
}

/// The split ring (virtio 1.2, 2.7).
public enum Split<Path: PairedPath & ~Copyable>: VirtqueueLayout {
  /// The driver's end.
  public typealias Driver = SplitDriverQueue<Path>
  /// The device's end.
  public typealias Device = SplitDeviceQueue<Path.Translator>

  /// Bytes a ring of `size` descriptors takes.
  public static func byteCount(size: Int) -> Int { SplitRing.byteCount(size: size) }

  /// Both ends of a new split queue.
  public static func makeEnds(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Path
  ) throws -> Virtqueue<Self> {
    let (configuration, buffer, tables) = try memory.allocateQueue(configuration, Self.self, isPacked: false)
    let ring = try SplitRing(in: buffer, size: configuration.size)
    let translator = path.makeTranslator()
    return Virtqueue(
      try SplitDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: path),
      try SplitDeviceQueue(configuration, ring: ring, translator: translator, memory: memory))
  }
}

/// The packed ring (virtio 1.2, 2.8).
public enum Packed<Path: PairedPath & ~Copyable>: VirtqueueLayout {
  /// The driver's end.
  public typealias Driver = PackedDriverQueue<Path>
  /// The device's end.
  public typealias Device = PackedDeviceQueue<Path.Translator>

  /// Bytes a ring of `size` descriptors takes.
  public static func byteCount(size: Int) -> Int { PackedRing.byteCount(size: size) }

  /// Both ends of a new packed queue.
  public static func makeEnds(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Path
  ) throws -> Virtqueue<Self> {
    let (configuration, buffer, tables) = try memory.allocateQueue(configuration, Self.self, isPacked: true)
    let ring = try PackedRing(in: buffer, size: configuration.size)
    let translator = path.makeTranslator()
    return Virtqueue(
      try PackedDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: path),
      try PackedDeviceQueue(configuration, ring: ring, translator: translator, memory: memory))
  }
}

/// Both ends of one virtqueue in one process, over one DMA path.
///
/// The two ends come from one path, so what the driver puts into a descriptor is what the device translates. As long as
/// nothing else is said both ends belong to the thread that made the queue; ``runOnTwoThreads(device:driver:)`` gives
/// the device a thread of its own. Behind an IOMMU both ways work without further settings.
@frozen
public struct Virtqueue<Layout: VirtqueueLayout>: ~Copyable {
  /// The driver's end: adds buffers, publishes them, reclaims them.
  public var driver: Layout.Driver
  /// The device's end: serves buffers.
  public var device: Layout.Device

  /// A queue of two ends over one ring; what a layout's ``VirtqueueLayout/makeEnds(_:in:over:)`` returns.
  public init(_ driver: consuming Layout.Driver, _ device: consuming Layout.Device) {
    self.driver = driver
    self.device = device
    self.device.shareThread(true)
  }

  /// A queue with a ring in `memory`.
  ///
  /// - Parameters:
  ///   - configuration: size and features; whether the ring is packed is the layout's affair.
  ///   - memory: the guest's memory, from which the ring is allocated.
  ///   - path: how buffers reach the device.
  /// - Throws: ``MemoryError`` when the memory has no room, ``ConfigurationError``.
  public init(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Layout.Path
  ) throws {
    self = try Layout.makeEnds(configuration, in: memory, over: path)
  }

  /// A split queue of `size` descriptors over a path.
  ///
  /// - Throws: as ``init(_:in:over:)``.
  public init<Path: PairedPath & ~Copyable>(
    split size: Int, in memory: GuestMemory, over path: consuming Path
  ) throws where Layout == Split<Path> {
    try self.init(QueueConfiguration(size: size), in: memory, over: path)
  }

  /// A packed queue of `size` descriptors over a path.
  ///
  /// - Throws: as ``init(_:in:over:)``.
  public init<Path: PairedPath & ~Copyable>(
    packed size: Int, in memory: GuestMemory, over path: consuming Path
  ) throws where Layout == Packed<Path> {
    try self.init(QueueConfiguration(size: size), in: memory, over: path)
  }
}

extension Virtqueue {
  /// Runs the device on a thread of its own while the driver runs on this one; returns when the driver is done.
  ///
  /// Both are given as one step that is called again and again. Between two steps of the device its IOMMU is served. An
  /// end that throws stops the other one.
  ///
  /// - Parameters:
  ///   - serve: the device's step: serves what is there and returns; does not wait for more. Called once more after the
  ///     driver is done.
  ///   - drive: the driver's step: adds, publishes and reclaims what it can, and returns whether it has more to do.
  /// - Throws: what the driver threw, or what the device threw; ``MemoryError/system(operation:errno:)`` when the
  ///   process may have no more threads, and then neither has run.
  public mutating func runOnTwoThreads(
    device serve: @escaping @Sendable (inout Layout.Device) throws -> Void,
    driver drive: (inout Layout.Driver) throws -> Bool
  ) throws {
    device.shareThread(false)
    defer { device.shareThread(true) }
    var outcome = Result<Void, any Error>.success(())
    // SAFETY: the worker's thread has ended when `join` returns, inside the closure, and nothing else touches the
    // device until then.
    let failure = try unsafe withUnsafeMutablePointer(to: &device) { address in
      let worker = try unsafe DeviceWorker(address, serve)
      do { while try !worker.hasFailed && drive(&driver) {} } catch { outcome = .failure(error) }
      return worker.join()
    }
    try outcome.get()
    if let failure { throw failure }
  }
}

/// The thread of a device while its driver runs on another.
@safe
private final class DeviceWorker: @unchecked Sendable {
  private let serve: () throws -> Void
  private let service: () -> Void
  private let isOver = Atomic<Bool>(false)
  private let failed = Atomic<Bool>(false)
  // Written by the thread before it ends, read after it has.
  private var failure: (any Error)?
  private var thread: SystemThread?

  /// Starts to serve at once.
  ///
  /// - Parameters:
  ///   - device: stays at its address and is no other thread's until ``join()`` returns.
  ///   - body: serves what is there.
  /// - Throws: ``MemoryError/system(operation:errno:)``.
  @unsafe
  init<Device: DeviceQueue & ~Copyable>(
    _ device: UnsafeMutablePointer<Device>, _ body: @escaping @Sendable (inout Device) throws -> Void
  ) throws(MemoryError) {
    service = { unsafe device.pointee.service() }
    serve = { try unsafe body(&device.pointee) }
    thread = try SystemThread { self.run() }
  }

  /// Whether the device threw; it is not called again.
  var hasFailed: Bool { failed.load(ordering: .relaxed) }

  /// Has the device serve once more and waits for its thread's end.
  ///
  /// - Returns: what it threw.
  func join() -> (any Error)? {
    isOver.store(true, ordering: .releasing)
    thread?.join()
    return failure
  }

  private func run() {
    var turns = 0
    do {
      while !isOver.load(ordering: .acquiring) {
        service()
        try serve()
        turns &+= 1
        // Where both threads have one CPU, or less, the other one gets on.
        if turns % 256 == 0 { sched_yield() }
      }
      try serve()
    } catch {
      failure = error
      failed.store(true, ordering: .relaxed)
    }
    // A driver may still wait for an invalidation.
    while !isOver.load(ordering: .acquiring) {
      service()
      sched_yield()
    }
  }
}

public import RingKit

/// A virtio-blk driver over one queue, whatever its layout, its DMA path and its transport.
///
/// Header and status of a request lie in a slot of the driver's own memory; the data is the caller's. The life of a
/// request: ``submit(_:sector:data:token:)``, then `queue.publish()` and a kick where `queue.isNotificationDue()`, then
/// ``next()``. What the device says is a value, never believed further. One thread owns it; submitting and collecting
/// allocate nothing.
public struct BlockDriver<Queue: DriverQueue & ~Copyable>: ~Copyable {
  /// The queue, for publishing and for notifications.
  public var queue: Queue

  private let slots: GuestBuffer
  private let cells: SharedMemory
  private var free: [Int]
  private var requests: [BlockSubmission?]

  /// Bytes of driver memory for each request in flight.
  public static var slotByteCount: Int { 64 }
  // The header's 16 bytes, then the status.
  private static var statusOffset: Int { 16 }

  /// A driver of a queue that is the device's only one.
  ///
  /// - Parameters:
  ///   - queue: from now on the driver's own.
  ///   - slots: ``slotByteCount`` bytes for each request in flight, at a multiple of 8; the device need not see them
  ///     where the DMA path copies.
  public init(_ queue: consuming Queue, slots: GuestBuffer) {
    precondition(slots.byteCount >= Self.slotByteCount, "a driver has a slot for one request or more")
    precondition(slots.host.rawValue % 8 == 0, "slots lie at a multiple of 8")
    self.queue = queue
    self.slots = slots
    cells = unsafe SharedMemory(slots.host, byteCount: slots.byteCount)
    let count = slots.byteCount / Self.slotByteCount
    free = (0..<count).reversed()
    requests = Array(repeating: nil, count: count)
  }

  /// The slot that the next request gets, so that its data can have the same index; `nil` when all are in flight.
  public var nextSlot: Int? { free.last }

  /// Adds a request; visible to the device after `queue.publish()`.
  ///
  /// - Parameters:
  ///   - operation: what to do.
  ///   - sector: where, in units of 512 bytes; 0 for a request without one.
  ///   - data: what is read into or written from; `nil` of a flush.
  ///   - token: comes back with the completion.
  /// - Returns: `.full` when there is no slot or no room in the ring.
  /// - Throws: `QueueError`.
  public mutating func submit(
    _ operation: BlockOperation, sector: UInt64, data: MemorySegment?, token: UInt64
  ) throws(QueueError) -> AddResult {
    precondition((data == nil) == (operation == .flush), "a flush has no data, and everything else some")
    guard let slot = free.last else { return .full }
    let request = BlockSubmission(operation: operation, sector: sector, data: data, token: token)
    let result = try add(request, slot)
    guard result == .added else { return result }
    free.removeLast()
    requests[slot] = request
    return .added
  }

  /// Takes the ring as new, and adds every request that is outstanding again, the oldest first; visible after
  /// `queue.publish()`.
  ///
  /// For a device that replaces one that is gone and left no notes: what is outstanding is what this driver
  /// remembers, never what the ring says. Collect what the last one completed before (``next()`` until `nil`).
  /// Allocates.
  ///
  /// - Returns: how many there are.
  /// - Throws: `QueueError`; the driver is of no more use then.
  public mutating func resubmit() throws(QueueError) -> Int {
    var outstanding: [Int] = []
    try queue.reset { outstanding.append(Int($0)) }
    for slot in outstanding {
      guard let request = requests[slot] else { preconditionFailure("a queue abandons what was added") }
      let result = try add(request, slot)
      precondition(result == .added, "an empty ring has room for what was in it")
    }
    return outstanding.count
  }

  /// Writes a request into its slot, and adds it.
  private mutating func add(_ request: BlockSubmission, _ slot: Int) throws(QueueError) -> AddResult {
    let at = slot * Self.slotByteCount
    cells.store32(request.operation.rawValue, at)
    cells.store32(0, at + 4)
    cells.store64(request.sector, at + 8)
    cells.store32(0xff, at + Self.statusOffset)
    let header = slots.segment(at: at, length: 16)
    let status = slots.segment(at: at + Self.statusOffset, length: 1)
    return try add(request.operation, header, request.data ?? status, status, UInt64(slot))
  }

  private mutating func add(
    _ operation: BlockOperation, _ header: MemorySegment, _ data: MemorySegment, _ status: MemorySegment,
    _ token: UInt64
  ) throws(QueueError) -> AddResult {
    let parts: InlineArray<3, MemorySegment> = [header, data, status]
    // Readable ones first: the header, and what is written to the disk.
    let (readable, writable) =
      switch operation {
      case .write: (0..<2, 2..<3)
      case .read, .identify: (0..<1, 1..<3)
      case .flush: (0..<1, 2..<3)
      }
    return try queue.add(
      readable: parts.span.extracting(readable), writable: parts.span.extracting(writable), token: token)
  }

  /// The next request that is done; `nil` when there is none.
  ///
  /// - Throws: `QueueError`.
  public mutating func next() throws(QueueError) -> BlockCompletion? {
    guard let used = try queue.nextUsed() else { return nil }
    // The queue gives back no token but those it was given.
    let slot = Int(used.token)
    guard let request = requests[slot] else { preconditionFailure("a queue gives back what was added") }
    requests[slot] = nil
    free.append(slot)
    let status = UInt8(truncatingIfNeeded: cells.load32(slot * Self.slotByteCount + Self.statusOffset))
    return BlockCompletion(
      token: request.token, slot: slot, status: BlockStatus(status),
      dataByteCount: min(used.writtenByteCount == 0 ? 0 : used.writtenByteCount - 1, request.writableByteCount))
  }
}

/// What a virtio-blk request asks for (virtio 1.2, 5.2.6).
public enum BlockOperation: UInt32, Sendable, CaseIterable {
  /// VIRTIO_BLK_T_IN: the device writes what stands on the disk.
  case read = 0
  /// VIRTIO_BLK_T_OUT.
  case write = 1
  /// VIRTIO_BLK_T_FLUSH: what was written is to be durable.
  case flush = 4
  /// VIRTIO_BLK_T_GET_ID: the device writes its name, 20 bytes.
  case identify = 8

  /// Bytes of a device's name.
  public static let nameByteCount = 20
}

/// How a virtio-blk request ended (virtio 1.2, 5.2.6).
public enum BlockStatus: Equatable, Sendable {
  /// VIRTIO_BLK_S_OK.
  case done
  /// VIRTIO_BLK_S_IOERR.
  case failed
  /// VIRTIO_BLK_S_UNSUPP.
  case unsupported
  /// The device wrote none, or one that does not exist: the byte that stands there, 0xff where it wrote none.
  case missing(UInt8)

  init(_ byte: UInt8) {
    switch byte {
    case 0: self = .done
    case 1: self = .failed
    case 2: self = .unsupported
    default: self = .missing(byte)
    }
  }
}

/// One request that came back from a block device.
public struct BlockCompletion: Equatable, Sendable {
  /// What the caller gave with the request.
  public let token: UInt64
  /// Which slot it had, free again.
  public let slot: Int
  /// What the device says of it.
  public let status: BlockStatus
  /// Bytes of data the device wrote, its status not counted.
  public let dataByteCount: UInt32
}

/// What a virtio-blk device says of itself in its configuration space (virtio 1.2, 5.2.4), as far as its features make
/// it say.
public struct BlockLimits: Equatable, Sendable {
  /// Sectors of 512 bytes.
  public let sectorCount: UInt64
  /// Bytes of one data segment at most; `nil`: no limit.
  public let segmentByteCount: UInt32?
  /// Data segments of one request at most; `nil`: no limit.
  public let segmentCount: UInt32?
  /// Bytes the device likes to be addressed in; 512 unless it says otherwise.
  public let blockByteCount: UInt32
  /// Whether it refuses writes.
  public let isReadOnly: Bool
  /// Whether it takes flush requests.
  public let hasFlush: Bool

  /// Bytes of the space that are looked at.
  public static let byteCount = 24
  /// Features that are understood here: SIZE_MAX, SEG_MAX, RO, BLK_SIZE, FLUSH.
  public static let features = VirtioFeatures(rawValue: 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9)

  /// Takes the space apart.
  ///
  /// - Parameters:
  ///   - bytes: the first ``byteCount`` bytes of the space.
  ///   - features: what was agreed on.
  public init(_ bytes: [UInt8], features: VirtioFeatures) {
    precondition(bytes.count >= Self.byteCount, "a block device's configuration has \(Self.byteCount) bytes or more")
    func number(_ offset: Int, _ count: Int) -> UInt64 {
      bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    func has(_ bit: UInt64) -> Bool { features.rawValue & 1 << bit != 0 }
    sectorCount = number(0, 8)
    // A device that limits them to nothing limits nothing that could be used.
    segmentByteCount = has(1) && number(8, 4) > 0 ? UInt32(number(8, 4)) : nil
    segmentCount = has(2) && number(12, 4) > 0 ? UInt32(number(12, 4)) : nil
    let block = UInt32(number(20, 4))
    blockByteCount = has(6) && block >= 512 && block & (block - 1) == 0 ? block : 512
    isReadOnly = has(5)
    hasFlush = has(9)
  }
}

/// A request as its driver remembers it, out of the device's reach, until it comes back.
struct BlockSubmission {
  let operation: BlockOperation
  let sector: UInt64
  let data: MemorySegment?
  let token: UInt64

  /// Bytes of data that the device may write.
  var writableByteCount: UInt32 { operation == .write ? 0 : data?.length ?? 0 }
}

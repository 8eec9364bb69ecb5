/// The driver's end of a virtqueue, whatever its layout.
///
/// One thread owns it. The life of a buffer: `add` maps its segments and writes descriptors, `publish` makes all that
/// was added visible with one store, `nextUsed` (or `reclaim`) unmaps and returns what the device is done with. The
/// ring is never believed: what was submitted is remembered in private memory.
public protocol DriverQueue: ~Copyable {
  /// Whether work is counted.
  associatedtype Counter: WorkCounter

  /// What this end of the queue and its DMA path did.
  var work: Counter { get }
  /// Descriptors in the ring.
  var size: Int { get }
  /// What the last ``reclaim(atMost:)`` collected.
  var completions: Span<Completion> { @_lifetime(borrow self) get }
  /// Descriptors not in use.
  var freeDescriptorCount: Int { get }
  /// Buffers added and not yet returned.
  var inFlightCount: Int { get }
  /// True once a peer broke a rule; every call throws ``QueueError/broken`` until ``reset(_:)``.
  var isBroken: Bool { get }

  /// Adds a buffer of one segment.
  mutating func add(
    _ segment: MemorySegment, _ direction: DMADirection, token: UInt64
  ) throws(QueueError) -> AddResult

  /// Adds a buffer of several segments, the device-readable ones first (S2, P7).
  mutating func add(
    readable: Span<MemorySegment>, writable: Span<MemorySegment>, token: UInt64
  ) throws(QueueError) -> AddResult

  /// Adds up to `count` buffers of one segment each: the way to the least cost per buffer.
  ///
  /// - Parameters:
  ///   - count: how many to add; fewer when the ring has room for fewer.
  ///   - direction: of all of them.
  ///   - buffer: called for 0, 1, … in turn; returns the segment and the caller's token.
  /// - Returns: how many were added.
  /// - Throws: ``QueueError`` as for a single one; the buffers before the one that failed are added.
  mutating func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int

  /// Makes everything added since the last call visible to the device, with one index or flag store.
  mutating func publish()

  /// Whether the device wants to be told of what was published since the last call: full fence, then the device's
  /// suppression fields. Not needed by a driver that only polls.
  mutating func isNotificationDue() -> Bool

  /// What the notification carries when NOTIFICATION_DATA is negotiated (virtio 1.2, 2.9), a little-endian word.
  ///
  /// Bits 0 to 15 are the queue's index. Bits 16 to 31 are the next available position: a split ring's available index,
  /// or offset (15 bits) and wrap counter of a packed one.
  func notificationData(queue: UInt16) -> UInt32

  /// The next buffer the device is done with, unmapped; `nil` when there is none.
  mutating func nextUsed() throws(QueueError) -> Completion?

  /// Unmaps and collects up to `limit` buffers the device is done with; read them from ``completions``.
  ///
  /// When it throws, what was collected before stands there too: those buffers are back.
  /// - Returns: how many there are.
  mutating func reclaim(atMost limit: Int) throws(QueueError) -> Int

  /// Asks the device to notify when it uses another buffer.
  ///
  /// - Returns: true when a buffer was used meanwhile, so that the caller must look again before it sleeps.
  mutating func enableNotifications() -> Bool

  /// Advises the device that the driver polls.
  mutating func disableNotifications()

  /// Where a device that replaces one that is gone has to go on: the used index of a split ring; of a packed
  /// one the offset, with the wrap counter in bit 15. `nil` while completions wait to be reclaimed.
  var devicePosition: UInt16? { get }

  /// Lets the DMA path do what is due although nothing was added or reclaimed (``DMAMapper/poll()``); for idle loops.
  mutating func poll() throws(QueueError)

  /// Completes what the DMA path deferred (``DMAMapper/flush()``).
  mutating func flush() throws(QueueError)

  /// Returns the ring to its initial state (VIRTIO_F_RING_RESET; virtio 1.2, 2.6.1), after the device stopped using it.
  ///
  /// - Parameter abandoned: receives the token of each buffer that was in flight, now unmapped, and of the one whose
  ///   unmap broke the queue.
  /// - Throws: ``QueueError/mapping(_:)`` with the first unmap that failed; the queue is reset all the same.
  mutating func reset(_ abandoned: (UInt64) -> Void) throws(QueueError)
}

/// A driver queue whose state can be saved, for another one that goes on: its path is a ``ResumableMapper``.
public protocol ResumableDriverQueue: DriverQueue, ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was added first.
  ///
  /// The queue goes on as before. Buffers stay mapped: a caller that replaces the queue by another one drops it.
  /// - Complexity: O(size).
  /// - Parameters:
  ///   - isSecure: whether the guest's memory is out of its devices' reach.
  ///   - describe: what a buffer in flight was added as, by its token; `nil` for a token the caller does not know.
  /// - Returns: the state.
  /// - Throws: ``QueueStateError/broken``, ``QueueStateError/undescribed(token:)``,
  ///   ``QueueStateError/misdescribed(token:reason:)``, ``QueueStateError/mapping(token:_:)``; the queue is as before.
  mutating func saveState(
    isSecure: Bool, describing describe: (UInt64) -> (readable: [MemorySegment], writable: [MemorySegment])?
  ) throws(QueueStateError) -> QueueState
}

/// What became of a buffer that was offered to a queue.
@frozen
public enum AddResult: Equatable, Sendable {
  /// It is in the ring and becomes visible with the next `publish()`.
  case added
  /// The ring has no room for it now; nothing was mapped.
  case full
}

/// One buffer that came back from the device.
@frozen
public struct Completion: Equatable, Sendable, BitwiseCopyable {
  /// What the caller gave with the buffer.
  public var token: UInt64
  /// Bytes the device wrote, from the first device-writable segment on; at most what the buffer holds.
  ///
  /// Nothing may be assumed of bytes beyond it (S15).
  public var writtenByteCount: UInt32

  /// A completion of `token`.
  @inlinable
  public init(token: UInt64, writtenByteCount: UInt32) {
    self.token = token
    self.writtenByteCount = writtenByteCount
  }
}

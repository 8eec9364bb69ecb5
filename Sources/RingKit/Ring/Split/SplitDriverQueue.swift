/// The driver's end of a split virtqueue (virtio 1.2, 2.7), over one DMA path.
///
/// Not for sharing: one thread owns it. Adding and reclaiming are O(segments) and allocate nothing.
@frozen
public struct SplitDriverQueue<Mapper: DMAMapper & ~Copyable>: DriverQueue, ~Copyable {
  /// Whether work is counted: as the mapper has it.
  public typealias Counter = Mapper.Counter

  /// The DMA path's state and counters; never replaced while the queue lives.
  @usableFromInline package var mapper: Mapper
  /// True once the device broke a rule.
  public internal(set) var isBroken: Bool {
    @inlinable get { broken }
    set { broken = newValue }
  }

  @usableFromInline var broken = false
  @usableFromInline let ring: SplitRing
  @usableFromInline let mask: UInt16
  @usableFromInline let ordering: RingOrdering
  @usableFromInline let hasEventIndex: Bool
  @usableFromInline let isInOrder: Bool
  @usableFromInline var inFlightTable: InFlightTable<Mapper.Mapping>
  /// What the available ring holds, so that an entry is stored only where it differs and its line stays shared.
  @usableFromInline let availableCopy: PrivateTable<UInt16>
  /// How far from their available-ring slots the last heads stood, and how many in a row: nothing differs after a lap.
  @usableFromInline var steadyShift: UInt16 = 0
  @usableFromInline var steadyCount: UInt32 = 0
  /// The used index as last read.
  @usableFromInline var usedSeen = RingIndex(0)
  /// Buffers published since the device's wish to be notified was last looked at.
  @usableFromInline var unannounced: UInt64 = 0
  /// IN_ORDER: buffers of the current used entry not yet returned, and the length that goes with the last of them.
  @usableFromInline var batchRemaining: UInt16 = 0
  @usableFromInline var batchLength: UInt32 = 0
  /// Shadow of the available ring's flags.
  @usableFromInline var flags: UInt16 = 0
  @usableFromInline let finished: PrivateTable<Completion>
  @usableFromInline var finishedCount = 0
  @usableFromInline let indirect: SharedMemory?
  @usableFromInline let indirectBase: GuestPhysicalAddress
  private let indirectBuffer: GuestBuffer?
  /// The negotiated features.
  public let features: VirtioFeatures

  /// A queue over a ring that no device uses yet; clears it.
  ///
  /// - Parameters:
  ///   - configuration: size and features; RING_PACKED must not be among them.
  ///   - ring: the ring's memory.
  ///   - indirectTables: ``QueueConfiguration/indirectByteCount`` bytes at a multiple of 16, needed with INDIRECT_DESC.
  ///     They may be private: they are mapped like any device-readable buffer.
  ///   - mapper: the DMA path, from now on the queue's own.
  /// - Throws: ``ConfigurationError``.
  public init(
    _ configuration: QueueConfiguration, ring: SplitRing, indirectTables: GuestBuffer? = nil, mapper: consuming Mapper
  ) throws(ConfigurationError) {
    let capacity = try configuration.admit(ringSize: ring.size, isPacked: false, indirectTables)
    ring.clear()
    self.init(configuration, ring: ring, indirectTables: indirectTables, capacity: capacity, mapper: mapper)
  }

  /// A queue that was checked, over a ring as it stands.
  init(
    _ configuration: QueueConfiguration, ring: SplitRing, indirectTables: GuestBuffer?, capacity: Int,
    mapper: consuming Mapper
  ) {
    self.mapper = mapper
    self.ring = ring
    mask = UInt16(configuration.size - 1)
    ordering = RingOrdering(configuration.features)
    hasEventIndex = configuration.features.contains(.eventIndex)
    isInOrder = configuration.features.contains(.inOrder)
    inFlightTable = InFlightTable(size: configuration.size, unmapped: Mapper.unmapped, indirectCapacity: capacity)
    availableCopy = PrivateTable(count: configuration.size, repeating: 0)
    finished = PrivateTable(count: configuration.size, repeating: Completion(token: 0, writtenByteCount: 0))
    indirect = capacity > 0 ? indirectTables.map { unsafe SharedMemory($0.host, byteCount: $0.byteCount) } : nil
    indirectBase = indirectTables?.address ?? GuestPhysicalAddress(0)
    indirectBuffer = indirectTables
    features = configuration.features
  }

  /// What the queue and its DMA path did.
  public var work: Counter { mapper.work }

  /// Descriptors in the ring.
  @inlinable
  public var size: Int { ring.size }

  /// Descriptors not in use.
  @inlinable
  public var freeDescriptorCount: Int { Int(inFlightTable.freeCount) }

  /// Buffers added and not yet returned.
  @inlinable
  public var inFlightCount: Int { Int(inFlightTable.inFlight) }

  /// What the last ``reclaim(atMost:)`` collected.
  @inlinable
  public var completions: Span<Completion> {
    @_lifetime(borrow self) get {
      // SAFETY: `finished` lives as long as self and is written by mutating calls only; the first entries are set.
      let span = unsafe Span(_unsafeStart: finished.base, count: finishedCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Unmaps what is in flight, reports it and starts afresh (VIRTIO_F_RING_RESET; virtio 1.2, 2.6.1).
  public mutating func reset(_ abandoned: (UInt64) -> Void) throws(QueueError) {
    ring.clear()
    for slot in 0..<ring.size { availableCopy[slot] = 0 }
    steadyCount = 0
    usedSeen = RingIndex(0)
    flags = 0
    try abandon(abandoned)
  }

  /// Lets the DMA path do what is due by now.
  @inlinable
  public mutating func poll() throws(QueueError) { try pollPath() }

  /// Completes what the DMA path deferred.
  @inlinable
  public mutating func flush() throws(QueueError) { try flushPath() }
}

extension SplitDriverQueue where Mapper: ~Copyable {
  /// Whether the device wants to be told of what was published since the last call (S17, S18, S20).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let new = inFlightTable.published
    // Indices tell 65,535 entries apart; an event that was asked for lies among the last ones, never a whole lap back.
    let old = RingIndex(new.rawValue &- UInt16(clamping: unannounced))
    unannounced = 0
    // B5: pairs with B6 in SplitDeviceQueue.swift.
    ordering.fence()
    let isDue =
      if hasEventIndex {
        RingIndex.crossed(RingIndex(ring.used.load16(ring.availableEventOffset)), from: old, to: new)
      } else {
        ring.used.load16(0) & 1 == 0
      }
    mapper.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Queue index and available index in one word.
  public func notificationData(queue: UInt16) -> UInt32 {
    UInt32(queue) | UInt32(inFlightTable.published.rawValue) << 16
  }

  /// Asks to be notified of the next used buffer (S12, S13).
  ///
  /// - Returns: true when one was used meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    if hasEventIndex {
      ring.available.store16(inFlightTable.returned.rawValue, ring.usedEventOffset)
    } else if flags != 0 {
      flags = 0
      ring.available.store16(0, 0)
    }
    // B8: pairs with B7 in SplitDeviceQueue.swift.
    ordering.fence()
    return ring.used.load16(SplitRing.indexOffset) != inFlightTable.returned.rawValue
  }

  /// Advises the device that the driver polls.
  ///
  /// With EVENT_IDX there is nothing to write: the event index stays behind (S13), and the odd notification when it
  /// comes round is tolerated (S14).
  @inlinable
  public mutating func disableNotifications() {
    if hasEventIndex || flags == 1 { return }
    flags = 1
    ring.available.store16(1, 0)
  }
}

extension SplitDriverQueue: ResumableDriverQueue where Mapper: ResumableMapper & ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was added first.
  public mutating func saveState(
    isSecure: Bool = false, describing describe: (UInt64) -> (readable: [MemorySegment], writable: [MemorySegment])?
  ) throws(QueueStateError) -> QueueState {
    var state = try state(ring.parts, isSecure: isSecure, describe)
    state.suppression = UInt32(flags)
    return state
  }

  /// A queue that goes on where another one was when its state was saved.
  ///
  /// - Parameters:
  ///   - state: what ``saveState(isSecure:describing:)`` of the other queue returned.
  ///   - ring: the ring's memory with its contents, at the same guest-physical addresses.
  ///   - indirectTables: likewise.
  ///   - mapper: a mapper of the same path, in whose domain or pool nothing is mapped yet but by other restored queues.
  /// - Returns: the queue, which owns the mapper.
  /// - Throws: ``QueueStateError``; then nothing stays mapped.
  public static func restored(
    from state: QueueState, ring: SplitRing, indirectTables: GuestBuffer? = nil, mapper: consuming Mapper
  ) throws(QueueStateError) -> Self {
    try state.admit(.driver, .split, size: ring.size, ring: ring.parts, tables: indirectTables)
    let index = ring.available.load16(SplitRing.indexOffset)
    guard index == state.added else { throw .mismatch(.added, found: "\(state.added)", expected: "\(index)") }
    var queue = Self(
      state.configuration, ring: ring, indirectTables: indirectTables, capacity: state.indirectCapacity, mapper: mapper)
    try queue.takeOver(state)
    return queue
  }

  private mutating func takeOver(_ state: QueueState) throws(QueueStateError) {
    do throws(QueueStateError) { try inFlightTable.restore(state, &mapper, tables: indirectBase) } catch {
      // What the device wrote is copied out where the path copies; the source has the same bytes.
      try? abandon { _ in }
      throw error
    }
    // Others can write these: they are compared with heads, and used as such only where they are replaced below.
    for slot in 0..<ring.size { availableCopy[slot] = ring.available.load16(4 + 2 * slot) }
    if isInOrder {
      // Heads are found by position then, and not on the word of memory that others can write.
      for buffer in state.inFlight {
        let (slot, head) = (RingIndex(buffer.position).slot(mask: mask), buffer.slots[0])
        if availableCopy[slot] != head { ring.available.store16(head, 4 + 2 * Int(slot)) }
        availableCopy[slot] = head
      }
    }
    batchRemaining = state.batchRemaining
    batchLength = state.batchLength
    usedSeen = inFlightTable.returned.advanced(by: batchRemaining)
    unannounced = state.unannounced
    flags = UInt16(truncatingIfNeeded: state.suppression)
    ring.available.store16(flags, 0)
  }
}

extension SplitDriverQueue where Mapper: ~Copyable {
  /// Where another device has to go on: the used index, once all that it covers was reclaimed; `nil` before.
  public var devicePosition: UInt16? {
    ordering.observe16(ring.used, at: SplitRing.indexOffset) == inFlightTable.returned.rawValue
      ? inFlightTable.returned.rawValue : nil
  }
}

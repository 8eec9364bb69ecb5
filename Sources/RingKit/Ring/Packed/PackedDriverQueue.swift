/// The driver's end of a packed virtqueue (virtio 1.2, 2.8), over one DMA path.
///
/// Not for sharing: one thread owns it. Adding and reclaiming are O(segments) and allocate nothing. Buffer ids are the
/// driver's slots in its private in-flight table.
@frozen
public struct PackedDriverQueue<Mapper: DMAMapper & ~Copyable>: DriverQueue, ~Copyable {
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
  @usableFromInline let ring: PackedRing
  @usableFromInline let ringSize: UInt16
  @usableFromInline let ordering: RingOrdering
  @usableFromInline let hasEventIndex: Bool
  @usableFromInline let isInOrder: Bool
  @usableFromInline var inFlightTable: InFlightTable<Mapper.Mapping>
  /// Where the next descriptor goes, and where the next used one will come.
  @usableFromInline var available = WrapCounter()
  @usableFromInline var used = WrapCounter()
  /// The first descriptor of the batch being built: written last, by ``publish()``, because the device looks nowhere
  /// else before it (P10, P17).
  @usableFromInline var heldOffset = 0
  @usableFromInline var heldWord: UInt64 = 0
  @usableFromInline var isHolding = false
  /// Descriptors published since the device's wish to be notified was last looked at.
  @usableFromInline var unannounced: UInt64 = 0
  /// Where the next descriptor will become available: behind everything published.
  @usableFromInline var published = WrapCounter()
  /// IN_ORDER: slot of the oldest buffer in flight, buffers of the current used descriptor not yet returned, and the
  /// length that goes with the last of them.
  @usableFromInline var oldest: UInt16 = 0
  @usableFromInline var batchRemaining: UInt16 = 0
  @usableFromInline var batchLength: UInt32 = 0
  /// Whether the last batch reclaimed was a full one.
  @usableFromInline var wasBacklogged = false
  /// Shadow of the driver event suppression word.
  @usableFromInline var event = EventSuppression.enable
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
  ///   - configuration: size and features; RING_PACKED must be among them.
  ///   - ring: the ring's memory.
  ///   - indirectTables: ``QueueConfiguration/indirectByteCount`` bytes at a multiple of 16, needed with INDIRECT_DESC.
  ///     They may be private: they are mapped like any device-readable buffer.
  ///   - mapper: the DMA path, from now on the queue's own.
  /// - Throws: ``ConfigurationError``.
  public init(
    _ configuration: QueueConfiguration, ring: PackedRing, indirectTables: GuestBuffer? = nil, mapper: consuming Mapper
  ) throws(ConfigurationError) {
    let capacity = try configuration.admit(ringSize: ring.size, isPacked: true, indirectTables)
    ring.clear()
    self.init(configuration, ring: ring, indirectTables: indirectTables, capacity: capacity, mapper: mapper)
  }

  /// A queue that was checked, over a ring as it stands.
  init(
    _ configuration: QueueConfiguration, ring: PackedRing, indirectTables: GuestBuffer?, capacity: Int,
    mapper: consuming Mapper
  ) {
    self.mapper = mapper
    self.ring = ring
    ringSize = UInt16(configuration.size)
    ordering = RingOrdering(configuration.features)
    hasEventIndex = configuration.features.contains(.eventIndex)
    isInOrder = configuration.features.contains(.inOrder)
    inFlightTable = InFlightTable(size: configuration.size, unmapped: Mapper.unmapped, indirectCapacity: capacity)
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
    available = WrapCounter()
    used = WrapCounter()
    isHolding = false
    published = WrapCounter()
    wasBacklogged = false
    event = .enable
    oldest = 0
    try abandon(abandoned)
  }

  /// Lets the DMA path do what is due by now.
  @inlinable
  public mutating func poll() throws(QueueError) { try pollPath() }

  /// Completes what the DMA path deferred.
  @inlinable
  public mutating func flush() throws(QueueError) { try flushPath() }
}

extension PackedDriverQueue where Mapper: ~Copyable {
  /// Whether the device wants to be told of what was published since the last call (P16).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let count = UInt16(truncatingIfNeeded: min(unannounced, UInt64(ringSize)))
    unannounced = 0
    // B13: pairs with B14 in PackedDeviceQueue.swift.
    ordering.fence()
    let wish = EventSuppression(rawValue: ring.deviceEvent.load32(0))
    let isDue = wish.isDue(position: published, count: count, size: ringSize, hasEventIndex: hasEventIndex)
    mapper.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Queue index, and offset and wrap counter of the next descriptor not yet available (P4).
  public func notificationData(queue: UInt16) -> UInt32 {
    UInt32(queue) | UInt32(published.word) << 16
  }

  /// Asks to be notified of the next used buffer.
  ///
  /// - Returns: true when one was used meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    announce(hasEventIndex ? .descriptor(used) : .enable)
    // B16: pairs with B15 in PackedDeviceQueue.swift.
    ordering.fence()
    if batchRemaining != 0 { return true }
    if inFlightTable.published == inFlightTable.returned { return false }
    let word = ring.descriptors.load64(Int(used.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    return flags & (DescriptorFlags.available | DescriptorFlags.used) == used.usedFlags
  }

  /// Advises the device that the driver polls.
  @inlinable
  public mutating func disableNotifications() { announce(.disable) }

  @inlinable
  mutating func announce(_ wish: EventSuppression) {
    if wish.rawValue == event.rawValue { return }
    event = wish
    ring.driverEvent.store32(wish.rawValue, 0)
  }
}

extension PackedDriverQueue: ResumableDriverQueue where Mapper: ResumableMapper & ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was added first.
  public mutating func saveState(
    isSecure: Bool = false, describing describe: (UInt64) -> (readable: [MemorySegment], writable: [MemorySegment])?
  ) throws(QueueStateError) -> QueueState {
    var state = try state(ring.parts, isSecure: isSecure, describe)
    state.suppression = event.rawValue
    state.available = QueueState.Position(available)
    state.used = QueueState.Position(used)
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
    from state: QueueState, ring: PackedRing, indirectTables: GuestBuffer? = nil, mapper: consuming Mapper
  ) throws(QueueStateError) -> Self {
    try state.admit(.driver, .packed, size: ring.size, ring: ring.parts, tables: indirectTables)
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
    available = state.available?.counter ?? WrapCounter()
    used = state.used?.counter ?? WrapCounter()
    published = available
    oldest = (state.inFlight.first?.slots.first ?? state.free.first) ?? 0
    batchRemaining = state.batchRemaining
    batchLength = state.batchLength
    unannounced = state.unannounced
    event = EventSuppression(rawValue: state.suppression)
    ring.driverEvent.store32(event.rawValue, 0)
  }
}

extension PackedDriverQueue where Mapper: ~Copyable {
  /// Where another device has to go on: offset and wrap counter of the next used descriptor, once all used ones were
  /// reclaimed; `nil` before.
  public var devicePosition: UInt16? {
    if batchRemaining != 0 { return nil }
    let word = ordering.observe64(ring.descriptors, at: Int(used.offset) &* 16 &+ 8)
    let marks = UInt16(truncatingIfNeeded: word >> 48) & (DescriptorFlags.available | DescriptorFlags.used)
    return marks == used.usedFlags && inFlightTable.published != inFlightTable.returned ? nil : used.word
  }
}

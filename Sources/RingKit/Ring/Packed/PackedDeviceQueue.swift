/// The device's end of a packed virtqueue (virtio 1.2, 2.8), over one DMA path.
///
/// Not for sharing: one thread owns it. The driver is hostile: fetching a buffer is bounded by the queue's size and
/// touches nothing but the ring, an indirect table and what the translator allows.
@frozen
public struct PackedDeviceQueue<Translator: DMATranslator & ~Copyable>: DeviceQueue, ~Copyable {
  /// Whether work is counted: as the translator has it.
  public typealias Counter = Translator.Counter

  /// The DMA path's state and counters; never replaced while the queue lives.
  @usableFromInline package var translator: Translator
  /// True once the driver broke a rule.
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
  @usableFromInline let hasIndirect: Bool
  /// Entries of an indirect table at most.
  @usableFromInline var tableLimit: UInt32
  @usableFromInline var builder: ChainBuilder
  /// Where the next available descriptor will come, and where the next used one goes.
  @usableFromInline var available = WrapCounter()
  @usableFromInline var used = WrapCounter()
  /// Descriptors and buffers fetched and not yet completed.
  @usableFromInline var heldDescriptors: UInt32 = 0
  @usableFromInline var inFlight = 0
  /// The first used descriptor of the batch being built: written last, by ``publish()``.
  @usableFromInline var heldOffset = 0
  @usableFromInline var heldWord: UInt64 = 0
  @usableFromInline var isHolding = false
  /// Descriptors published since the driver's wish to be notified was last looked at.
  @usableFromInline var unannounced: UInt64 = 0
  /// Where the next used descriptor will appear: behind everything published.
  @usableFromInline var published = WrapCounter()
  /// Whether the last batch was a full one.
  @usableFromInline var wasBacklogged = false
  /// IN_ORDER: completions that wait for the used descriptor which will stand for all of them.
  @usableFromInline var batchStart = WrapCounter()
  @usableFromInline var batchCount = 0
  @usableFromInline var batchID: UInt16 = 0
  @usableFromInline var batchLength: UInt32 = 0
  /// Shadow of the device event suppression word.
  @usableFromInline var event = EventSuppression.enable
  /// The negotiated features.
  public let features: VirtioFeatures

  /// A queue end over a ring that its driver has set up.
  ///
  /// - Parameters:
  ///   - configuration: the size and features the driver has too.
  ///   - ring: the ring's memory, as this side has it mapped.
  ///   - translator: the DMA path, from now on the queue's own.
  /// - Throws: ``ConfigurationError``.
  package init(
    _ configuration: QueueConfiguration, ring: PackedRing, translator: consuming Translator
  ) throws(ConfigurationError) {
    try configuration.validate(packed: true)
    guard ring.size == configuration.size else { throw .invalidSize(ring.size) }
    self.init(checked: configuration, ring: ring, translator: translator)
  }

  /// A queue end that was checked.
  init(checked configuration: QueueConfiguration, ring: PackedRing, translator: consuming Translator) {
    self.translator = translator
    self.ring = ring
    ringSize = UInt16(configuration.size)
    ordering = RingOrdering(configuration.features)
    hasEventIndex = configuration.features.contains(.eventIndex)
    isInOrder = configuration.features.contains(.inOrder)
    hasIndirect = configuration.features.contains(.indirectDescriptors)
    tableLimit = UInt32(configuration.size)
    features = configuration.features
    builder = ChainBuilder(queueSize: configuration.size, isPacked: true)
  }

  /// Takes indirect tables of that many entries, although the specification wants none longer than the queue.
  ///
  /// Linux makes them as long as the device's configuration space allows. Before the first buffer is fetched.
  package mutating func acceptTables(of entries: Int) {
    guard entries > ring.size, entries <= 32_768 else { return }
    tableLimit = UInt32(entries)
    builder = ChainBuilder(queueSize: entries, isPacked: true)
  }

  /// What the queue and its DMA path did.
  public var work: Counter { translator.work }

  /// Descriptors in the ring.
  @inlinable
  public var size: Int { ring.size }

  /// Buffers fetched and not yet completed.
  @inlinable
  public var inFlightCount: Int { inFlight }

  /// The segments of the chain fetched last.
  @inlinable
  public var segments: Span<TranslatedSegment> {
    @_lifetime(borrow self) get {
      // SAFETY: the table lives as long as self and is written by mutating calls only; the first entries are set.
      let span = unsafe Span(_unsafeStart: builder.table.base, count: builder.count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Serves the device's IOMMU, where the path has one.
  @inlinable @inline(__always)
  public mutating func service() { translator.service() }

  /// Says whether the driver's end runs on this thread too from now on.
  public mutating func shareThread(_ isShared: Bool) { translator.shareThread(isShared) }

  /// Starts afresh (VIRTIO_F_RING_RESET; virtio 1.2, 2.6.1); the ring's memory is the driver's to clear.
  public mutating func reset() {
    broken = false
    available = WrapCounter()
    used = WrapCounter()
    heldDescriptors = 0
    inFlight = 0
    isHolding = false
    unannounced = 0
    published = WrapCounter()
    batchCount = 0
    wasBacklogged = false
    event = .enable
    builder.begin()
  }

  @inlinable @inline(never)
  mutating func fail(_ violation: RingViolation) -> QueueError {
    broken = true
    return .violation(violation)
  }

  @inlinable @inline(never)
  mutating func fail(_ fault: DMAFault) -> QueueError {
    broken = !fault.isPending
    return .fault(fault)
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Whether the driver wants to be told of what was published since the last call.
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let count = UInt16(truncatingIfNeeded: min(unannounced, UInt64(ringSize)))
    unannounced = 0
    // B15: pairs with B16 in PackedDriverQueue.swift.
    ordering.fence()
    let wish = EventSuppression(rawValue: ring.driverEvent.load32(0))
    let isDue = wish.isDue(position: published, count: count, size: ringSize, hasEventIndex: hasEventIndex)
    translator.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Asks to be notified of the next available buffer.
  ///
  /// - Returns: true when one was made available meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    announce(hasEventIndex ? .descriptor(available) : .enable)
    // B14: pairs with B13 in PackedDriverQueue.swift.
    ordering.fence()
    let word = ring.descriptors.load64(Int(available.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    return flags & (DescriptorFlags.available | DescriptorFlags.used) == available.availableFlags
  }

  /// Advises the driver that the device polls.
  @inlinable
  public mutating func disableNotifications() { announce(.disable) }

  @inlinable
  mutating func announce(_ wish: EventSuppression) {
    if wish.rawValue == event.rawValue { return }
    event = wish
    ring.deviceEvent.store32(wish.rawValue, 0)
  }
}

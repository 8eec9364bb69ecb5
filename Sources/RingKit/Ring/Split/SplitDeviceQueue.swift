/// The device's end of a split virtqueue (virtio 1.2, 2.7), over one DMA path.
///
/// Not for sharing: one thread owns it. The driver is hostile: fetching a buffer is bounded by the queue's size and
/// touches nothing but the ring, an indirect table and what the translator allows.
@frozen
public struct SplitDeviceQueue<Translator: DMATranslator & ~Copyable>: DeviceQueue, ~Copyable {
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
  @usableFromInline let ring: SplitRing
  @usableFromInline let mask: UInt16
  @usableFromInline let ordering: RingOrdering
  @usableFromInline let hasEventIndex: Bool
  @usableFromInline let isInOrder: Bool
  @usableFromInline let hasIndirect: Bool
  /// Entries of an indirect table at most.
  @usableFromInline var tableLimit: UInt32
  @usableFromInline var builder: ChainBuilder
  /// Buffers fetched so far, and the available index as last read.
  @usableFromInline var fetched = RingIndex(0)
  @usableFromInline var availableSeen = RingIndex(0)
  /// Buffers completed, and published.
  @usableFromInline var completed = RingIndex(0)
  @usableFromInline var published = RingIndex(0)
  /// Buffers published since the driver's wish to be notified was last looked at.
  @usableFromInline var unannounced: UInt64 = 0
  /// IN_ORDER: completions that wait for the used entry which will stand for all of them, and that entry.
  @usableFromInline var batchCount: UInt16 = 0
  @usableFromInline var batchID: UInt16 = 0
  @usableFromInline var batchLength: UInt32 = 0
  /// Shadow of the used ring's flags.
  @usableFromInline var flags: UInt16 = 0
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
    _ configuration: QueueConfiguration, ring: SplitRing, translator: consuming Translator
  ) throws(ConfigurationError) {
    try configuration.validate(packed: false)
    guard ring.size == configuration.size else { throw .invalidSize(ring.size) }
    self.init(checked: configuration, ring: ring, translator: translator)
  }

  /// A queue end that was checked.
  init(checked configuration: QueueConfiguration, ring: SplitRing, translator: consuming Translator) {
    self.translator = translator
    self.ring = ring
    mask = UInt16(configuration.size - 1)
    ordering = RingOrdering(configuration.features)
    hasEventIndex = configuration.features.contains(.eventIndex)
    isInOrder = configuration.features.contains(.inOrder)
    hasIndirect = configuration.features.contains(.indirectDescriptors)
    tableLimit = UInt32(configuration.size)
    features = configuration.features
    builder = ChainBuilder(queueSize: configuration.size, isPacked: false)
  }

  /// Takes indirect tables of that many entries, although the specification wants none longer than the queue.
  ///
  /// Linux makes them as long as the device's configuration space allows. Before the first buffer is fetched.
  package mutating func acceptTables(of entries: Int) {
    guard entries > ring.size, entries <= 32_768 else { return }
    tableLimit = UInt32(entries)
    builder = ChainBuilder(queueSize: entries, isPacked: false)
  }

  /// What the queue and its DMA path did.
  public var work: Counter { translator.work }

  /// Descriptors in the ring.
  @inlinable
  public var size: Int { ring.size }

  /// Buffers fetched and not yet completed.
  @inlinable
  public var inFlightCount: Int { Int(fetched.distance(from: completed)) }

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
    fetched = RingIndex(0)
    availableSeen = RingIndex(0)
    completed = RingIndex(0)
    published = RingIndex(0)
    unannounced = 0
    batchCount = 0
    flags = 0
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

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Whether the driver wants to be told of what was published since the last call (S26).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let new = published
    // Indices tell 65,535 entries apart; an event that was asked for lies among the last ones, never a whole lap back.
    let old = RingIndex(new.rawValue &- UInt16(clamping: unannounced))
    unannounced = 0
    // B7: pairs with B8 in SplitDriverQueue.swift.
    ordering.fence()
    let isDue =
      if hasEventIndex {
        RingIndex.crossed(RingIndex(ring.available.load16(ring.usedEventOffset)), from: old, to: new)
      } else {
        ring.available.load16(0) & 1 == 0
      }
    translator.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Asks to be notified of the next available buffer (S29).
  ///
  /// - Returns: true when one was made available meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    if hasEventIndex {
      ring.used.store16(fetched.rawValue, ring.availableEventOffset)
    } else if flags != 0 {
      flags = 0
      ring.used.store16(0, 0)
    }
    // B6: pairs with B5 in SplitDriverQueue.swift.
    ordering.fence()
    return ring.available.load16(SplitRing.indexOffset) != fetched.rawValue
  }

  /// Advises the driver that the device polls; with EVENT_IDX the event index just stays behind.
  @inlinable
  public mutating func disableNotifications() {
    if hasEventIndex || flags == 1 { return }
    flags = 1
    ring.used.store16(1, 0)
  }
}

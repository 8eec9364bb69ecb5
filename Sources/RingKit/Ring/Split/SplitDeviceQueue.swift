/// The device's end of a split virtqueue (virtio 1.2, 2.7), over one DMA path.
///
/// Not for sharing: one thread owns it. The driver is hostile: fetching a buffer is bounded by the queue's size and
/// touches nothing but the ring, an indirect table and what the translator allows.
@frozen
public struct SplitDeviceQueue<Translator: DMATranslator & ~Copyable>: DeviceQueue, ~Copyable {
  /// Whether work is counted: as the translator has it.
  public typealias Counter = Translator.Counter

  @usableFromInline package var core: DeviceCore<Translator>
  @usableFromInline let ring: SplitRing
  @usableFromInline let mask: UInt16
  /// Buffers fetched so far, and the available index as last read.
  @usableFromInline var fetched = RingIndex(0)
  @usableFromInline var availableSeen = RingIndex(0)
  /// Buffers completed, and published.
  @usableFromInline var completed = RingIndex(0)
  @usableFromInline var published = RingIndex(0)
  /// IN_ORDER: completions that wait for the used entry which will stand for all of them.
  @usableFromInline var batchCount: UInt16 = 0
  /// Shadow of the used ring's flags.
  @usableFromInline var flags: UInt16 = 0

  /// A queue end over a ring that its driver has set up.
  ///
  /// - Parameters:
  ///   - configuration: the size and features the driver has too.
  ///   - ring: the ring's memory, as this side has it mapped.
  ///   - translator: the DMA path, from now on the queue's own.
  ///   - memory: where a translator that is not trusted may lead.
  /// - Throws: ``ConfigurationError``.
  package init(
    _ configuration: QueueConfiguration, ring: SplitRing, translator: consuming Translator, memory: GuestMemory? = nil
  ) throws(ConfigurationError) {
    _ = try configuration.admit(ringSize: ring.size, isPacked: false, nil)
    self.init(checked: configuration, ring: ring, translator: translator, memory: memory)
  }

  /// A queue end that was checked.
  init(
    checked configuration: QueueConfiguration, ring: SplitRing, translator: consuming Translator, memory: GuestMemory?
  ) {
    core = DeviceCore(configuration, translator: translator, memory: memory)
    self.ring = ring
    mask = UInt16(configuration.size - 1)
  }

  /// Takes indirect tables of that many entries, although the specification wants none longer than the queue.
  ///
  /// Linux makes them as long as the device's configuration space allows. Before the first buffer is fetched.
  package mutating func acceptTables(of entries: Int) { core.acceptTables(of: entries) }

  /// What the queue and its DMA path did.
  public var work: Counter { core.translator.work }

  /// The negotiated features.
  public var features: VirtioFeatures { core.features }

  /// Descriptors in the ring.
  @inlinable
  public var size: Int { ring.size }

  /// Buffers fetched and not yet completed.
  @inlinable
  public var inFlightCount: Int { Int(fetched.distance(from: completed)) }

  /// True once the driver broke a rule.
  @inlinable
  public var isBroken: Bool { core.broken }

  /// The segments of the chain fetched last.
  @inlinable
  public var segments: Span<TranslatedSegment> {
    @_lifetime(borrow self) get { core.segments }
  }

  /// Where ``segments`` begin: the same address for as long as the queue lives.
  @unsafe package var segmentTable: UnsafePointer<TranslatedSegment> { unsafe UnsafePointer(core.builder.table.base) }

  /// Serves the device's IOMMU, where the path has one.
  @inlinable @inline(__always)
  public mutating func service() { core.translator.service() }

  /// Says whether the driver's end runs on this thread too from now on.
  public mutating func shareThread(_ isShared: Bool) { core.translator.shareThread(isShared) }

  /// Starts afresh (VIRTIO_F_RING_RESET; virtio 1.2, 2.6.1); the ring's memory is the driver's to clear.
  public mutating func reset() {
    core.reset()
    fetched = RingIndex(0)
    availableSeen = RingIndex(0)
    completed = RingIndex(0)
    published = RingIndex(0)
    batchCount = 0
    flags = 0
  }
}

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Whether the driver wants to be told of what was published since the last call (S26).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if core.unannounced == 0 { return false }
    let new = published
    // Indices tell 65,535 entries apart; an event that was asked for lies among the last ones, never a whole lap back.
    let old = RingIndex(new.rawValue &- UInt16(clamping: core.unannounced))
    core.unannounced = 0
    // B7: pairs with B8 in SplitDriverQueue.swift.
    core.ordering.fence()
    let isDue =
      if core.hasEventIndex {
        RingIndex.crossed(RingIndex(ring.available.load16(ring.usedEventOffset)), from: old, to: new)
      } else {
        ring.available.load16(0) & 1 == 0
      }
    core.translator.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Asks to be notified of the next available buffer (S29).
  ///
  /// - Returns: true when one was made available meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    if core.hasEventIndex {
      ring.used.store16(fetched.rawValue, ring.availableEventOffset)
    } else if flags != 0 {
      flags = 0
      ring.used.store16(0, 0)
    }
    // B6: pairs with B5 in SplitDriverQueue.swift.
    core.ordering.fence()
    return ring.available.load16(SplitRing.indexOffset) != fetched.rawValue
  }

  /// Advises the driver that the device polls; with EVENT_IDX the event index just stays behind.
  @inlinable
  public mutating func disableNotifications() {
    if core.hasEventIndex || flags == 1 { return }
    flags = 1
    ring.used.store16(1, 0)
  }
}

extension SplitDeviceQueue: ResumableDeviceQueue where Translator: ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was completed first.
  public mutating func saveState(
    isSecure: Bool = false, holding chains: [(chain: DeviceChain, segments: [TranslatedSegment])] = []
  ) throws(QueueStateError) -> QueueState {
    if core.broken { throw .broken }
    try QueueState.check(chains, inFlight: inFlightCount)
    publish()
    var state = try core.saveState(ring.parts, size: size, isSecure: isSecure, holding: chains)
    state.added = fetched.rawValue
    state.returned = completed.rawValue
    state.suppression = UInt32(flags)
    return state
  }

  /// A queue that goes on where another one was when its state was saved.
  ///
  /// - Parameters:
  ///   - state: what ``saveState(isSecure:holding:)`` of the other queue returned.
  ///   - ring: the ring's memory with its contents, at the same guest-physical addresses.
  ///   - translator: leads the same addresses to the same memory, as this side has it mapped.
  ///   - memory: where a translator of one's own may lead; needed unless its type is trusted.
  ///   - held: called for each chain that the other queue had fetched and not completed, with its segments here; to be
  ///     completed like one from ``next()``, with IN_ORDER in this order.
  /// - Returns: the queue, which owns the translator.
  /// - Throws: ``QueueStateError``.
  public static func restored(
    from state: QueueState, ring: SplitRing, translator: consuming Translator,
    memory: GuestMemory? = nil, _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) -> Self {
    try state.admit(.device, .split, size: ring.size, ring: ring.parts, tables: nil)
    let index = ring.used.load16(SplitRing.indexOffset)
    guard index == state.returned else { throw .mismatch(.returned, found: "\(state.returned)", expected: "\(index)") }
    var queue = Self(checked: state.configuration, ring: ring, translator: translator, memory: memory)
    try queue.takeOver(state, held)
    return queue
  }

  private mutating func takeOver(
    _ state: QueueState, _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) {
    fetched = RingIndex(state.added)
    availableSeen = fetched
    completed = RingIndex(state.returned)
    published = completed
    flags = UInt16(truncatingIfNeeded: state.suppression)
    ring.used.store16(flags, 0)
    try core.takeOver(state, held)
  }
}

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Where another device would go on (``resume(at:)``): behind everything published.
  @inlinable
  public var position: UInt16 { published.rawValue }

  /// Behind everything fetched.
  @inlinable
  package var fetchedPosition: UInt16 { fetched.rawValue }
}

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Goes on where another device ended: at the used index, which is all that it published.
  ///
  /// Only for a ring whose devices complete buffers in the order they fetch them, as `serve` does.
  public mutating func resume(at position: UInt16) -> Bool {
    precondition(fetched == RingIndex(0) && completed == RingIndex(0), "a queue resumes before it serves")
    guard ring.used.load16(SplitRing.indexOffset) == position else { return false }
    return resume(available: position, used: position)
  }

  /// Goes on behind `available`, with everything up to `used` published; what lies between the two another device
  /// fetched and has not given back.
  ///
  /// - Returns: false, and nothing changed, when the two are further apart than the ring is long.
  package mutating func resume(available: UInt16, used: UInt16) -> Bool {
    precondition(fetched == RingIndex(0) && completed == RingIndex(0), "a queue resumes before it serves")
    guard Int(RingIndex(available).distance(from: RingIndex(used))) <= ring.size else { return false }
    fetched = RingIndex(available)
    availableSeen = fetched
    completed = RingIndex(used)
    published = completed
    // The driver can write there too: only what a device may have written counts.
    let found = ring.used.load16(0)
    flags = core.hasEventIndex ? 0 : found & 1
    if flags != found { ring.used.store16(flags, 0) }
    return true
  }
}

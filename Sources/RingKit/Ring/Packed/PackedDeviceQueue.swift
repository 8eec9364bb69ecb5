/// The device's end of a packed virtqueue (virtio 1.2, 2.8), over one DMA path.
///
/// Not for sharing: one thread owns it. The driver is hostile: fetching a buffer is bounded by the queue's size and
/// touches nothing but the ring, an indirect table and what the translator allows.
@frozen
public struct PackedDeviceQueue<Translator: DMATranslator & ~Copyable>: DeviceQueue, ~Copyable {
  /// Whether work is counted: as the translator has it.
  public typealias Counter = Translator.Counter

  @usableFromInline package var core: DeviceCore<Translator>
  @usableFromInline let ring: PackedRing
  @usableFromInline let ringSize: UInt16
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
  /// Where the next used descriptor will appear: behind everything published.
  @usableFromInline var published = WrapCounter()
  /// Whether the last batch was a full one.
  @usableFromInline var wasBacklogged = false
  /// IN_ORDER: completions that wait for the used descriptor which will stand for all of them.
  @usableFromInline var batchStart = WrapCounter()
  @usableFromInline var batchCount = 0
  /// Shadow of the device event suppression word.
  @usableFromInline var event = EventSuppression.enable

  /// A queue end over a ring that its driver has set up.
  ///
  /// - Parameters:
  ///   - configuration: the size and features the driver has too.
  ///   - ring: the ring's memory, as this side has it mapped.
  ///   - translator: the DMA path, from now on the queue's own.
  ///   - memory: where a translator that is not trusted may lead.
  /// - Throws: ``ConfigurationError``.
  package init(
    _ configuration: QueueConfiguration, ring: PackedRing, translator: consuming Translator, memory: GuestMemory? = nil
  ) throws(ConfigurationError) {
    _ = try configuration.admit(ringSize: ring.size, isPacked: true, nil)
    self.init(checked: configuration, ring: ring, translator: translator, memory: memory)
  }

  /// A queue end that was checked.
  init(
    checked configuration: QueueConfiguration, ring: PackedRing, translator: consuming Translator, memory: GuestMemory?
  ) {
    core = DeviceCore(configuration, translator: translator, memory: memory)
    self.ring = ring
    ringSize = UInt16(configuration.size)
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
  public var inFlightCount: Int { inFlight }

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
    available = WrapCounter()
    used = WrapCounter()
    heldDescriptors = 0
    inFlight = 0
    isHolding = false
    published = WrapCounter()
    batchCount = 0
    wasBacklogged = false
    event = .enable
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Whether the driver wants to be told of what was published since the last call.
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if core.unannounced == 0 { return false }
    let count = UInt16(truncatingIfNeeded: min(core.unannounced, UInt64(ringSize)))
    core.unannounced = 0
    // B15: pairs with B16 in PackedDriverQueue.swift.
    core.ordering.fence()
    let wish = EventSuppression(rawValue: ring.driverEvent.load32(0))
    let isDue = wish.isDue(position: published, count: count, size: ringSize, hasEventIndex: core.hasEventIndex)
    core.translator.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Asks to be notified of the next available buffer.
  ///
  /// - Returns: true when one was made available meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    announce(core.hasEventIndex ? .descriptor(available) : .enable)
    // B14: pairs with B13 in PackedDriverQueue.swift.
    core.ordering.fence()
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

extension PackedDeviceQueue: ResumableDeviceQueue where Translator: ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was completed first.
  public mutating func saveState(
    isSecure: Bool = false, holding chains: [(chain: DeviceChain, segments: [TranslatedSegment])] = []
  ) throws(QueueStateError) -> QueueState {
    if core.broken { throw .broken }
    try QueueState.check(chains, inFlight: inFlightCount)
    publish()
    var state = try core.saveState(ring.parts, size: size, isSecure: isSecure, holding: chains)
    var descriptors: UInt32 = 0
    for held in chains { descriptors += UInt32(held.chain.descriptorCount) }
    guard descriptors == heldDescriptors else {
      throw .wrongChains(reason: "they take \(descriptors) descriptors, \(heldDescriptors) are fetched")
    }
    state.available = QueueState.Position(available)
    state.used = QueueState.Position(used)
    state.suppression = event.rawValue
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
    from state: QueueState, ring: PackedRing, translator: consuming Translator,
    memory: GuestMemory? = nil, _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) -> Self {
    try state.admit(.device, .packed, size: ring.size, ring: ring.parts, tables: nil)
    var queue = Self(checked: state.configuration, ring: ring, translator: translator, memory: memory)
    try queue.takeOver(state, held)
    return queue
  }

  private mutating func takeOver(
    _ state: QueueState, _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) {
    available = state.available?.counter ?? WrapCounter()
    used = state.used?.counter ?? WrapCounter()
    published = used
    inFlight = state.held.count
    event = EventSuppression(rawValue: state.suppression)
    ring.deviceEvent.store32(event.rawValue, 0)
    for saved in state.held { heldDescriptors &+= UInt32(saved.descriptorCount) }
    try core.takeOver(state, held)
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Where another device would go on (``resume(at:)``): behind everything published, with the wrap counter in bit 15.
  @inlinable
  public var position: UInt16 { published.word }

  /// Behind everything fetched, with the wrap counter in bit 15.
  @inlinable
  package var fetchedPosition: UInt16 { available.word }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Goes on where another device ended: at the first descriptor that it did not use.
  ///
  /// Only for a ring whose devices complete buffers in the order they fetch them and publish each used
  /// descriptor by itself (`serve(atMost: 1)`; with IN_ORDER a batch of buffers used completely is one): a larger batch
  /// that was cut off leaves used descriptors behind one that is not, and what they said before is lost.
  public mutating func resume(at position: UInt16) -> Bool {
    precondition(inFlight == 0 && used == WrapCounter(), "a queue resumes before it serves")
    let next = WrapCounter(offset: position & 0x7fff, wrap: position & 0x8000 != 0)
    guard next.offset < ringSize else { return false }
    let word = ring.descriptors.load64(Int(next.offset) &* 16 &+ 8)
    let marks = UInt16(truncatingIfNeeded: word >> 48) & (DescriptorFlags.available | DescriptorFlags.used)
    // A descriptor of this lap that is used already: the driver has not come this far.
    guard marks != next.usedFlags else { return false }
    return resume(available: next.word, used: next.word)
  }

  /// Goes on at `available`, with everything before `used` published; what lies between the two another device fetched
  /// and has not given back.
  ///
  /// - Parameters:
  ///   - available: an offset, with the wrap counter in bit 15.
  ///   - used: the same.
  /// - Returns: false, and nothing changed, when one of them is not in the ring, or they are more than a lap apart.
  package mutating func resume(available: UInt16, used: UInt16) -> Bool {
    precondition(inFlight == 0 && self.used == WrapCounter(), "a queue resumes before it serves")
    let (next, done) = (WrapCounter(word: available), WrapCounter(word: used))
    guard next.offset < ringSize, done.offset < ringSize else { return false }
    guard next.wrap == done.wrap ? next.offset >= done.offset : next.offset <= done.offset else { return false }
    self.available = next
    self.used = done
    published = done
    heldDescriptors = UInt32(next.distance(from: done, size: ringSize))
    // The driver can write there too: only what a device may have written counts.
    let found = EventSuppression(rawValue: ring.deviceEvent.load32(0))
    event = found.isPossible(size: ring.size, hasEventIndex: core.hasEventIndex) ? found : .enable
    if event.rawValue != found.rawValue { ring.deviceEvent.store32(event.rawValue, 0) }
    return true
  }
}

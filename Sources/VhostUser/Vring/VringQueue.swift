public import RingKit
internal import Synchronization

/// The device's end of a vring, of either layout, in the memory of a front-end.
///
/// Buffers may be completed in any order; with IN_ORDER one that is completed before others is kept until they are.
/// What is in flight is noted in the inflight memory, where there is one: a back-end that replaces one that
/// died fetches it anew, and so does this one when its queue was taken away (``VhostUserDevice/forget(index:)``).
@safe
public struct VringQueue: ~Copyable {
  // One of the two is there, as the layout has it. Per call it is looked at once, not per buffer.
  @usableFromInline var split: SplitDeviceQueue<VhostTranslator>?
  @usableFromInline var packed: PackedDeviceQueue<VhostTranslator>?
  private var splitInflight: SplitInflight?
  private var packedInflight: PackedInflight?
  /// Where writes to the guest's memory are logged, while they are.
  private let log: WriteLog?
  /// With a log, the segments of each buffer in flight, in the order they were fetched.
  private var loggedSegments: [[TranslatedSegment]] = []
  /// With a log, where the next used descriptor of a packed ring comes, and where those since the last one that was
  /// published stand.
  private var nextUsed = WrapCounter(word: 0x8000)
  private var usedDescriptors: [UInt16] = []

  /// Whether the ring is packed.
  public let isPacked: Bool
  /// Descriptors in the ring.
  public let size: Int
  /// Buffers completed since the queue was started.
  public internal(set) var completedCount: UInt64 {
    @inlinable get { completions }
    set { completions = newValue }
  }
  /// The segments of the chain that was fetched last.
  @usableFromInline let table: UnsafePointer<TranslatedSegment>
  @usableFromInline var segmentCount = 0
  @usableFromInline var completions: UInt64 = 0
  @usableFromInline var fetches: UInt64 = 0
  private let isInOrder: Bool
  private let hasEventIndex: Bool
  /// Whether what is in flight is noted in memory, or what is written is logged.
  private let isNoted: Bool
  /// Whether buffers are fetched and completed one by one.
  @usableFromInline var isCareful: Bool
  /// Whether those of one step are given back the last one first, and what waits for the step's end.
  private var isReordering = false
  private var waiting: [(chain: DeviceChain, written: UInt32)] = []
  /// Whether buffers that a predecessor had in flight come before those of the ring.
  @usableFromInline var isResuming: Bool
  /// Descriptors, or entries of a split ring, that an earlier device fetched and never gave back.
  private let lost: UInt16
  /// Whether the partner has something to do though no buffer was completed.
  var hasMadeRoom = false
  /// What ``next()`` returned and was not completed.
  private var flight: Flight
  /// Another number for each queue, so that what was taken from one is not taken for another's.
  let generation = queueGenerations.wrappingAdd(1, ordering: .relaxed).newValue

  init(
    _ queue: consuming SplitDeviceQueue<VhostTranslator>, lost: UInt16, inflight: SplitInflight?, log: WriteLog?,
    again: [FlightEntry]
  ) {
    isPacked = false
    self.lost = lost
    size = queue.size
    isInOrder = queue.features.contains(.inOrder)
    hasEventIndex = queue.features.contains(.eventIndex)
    isNoted = inflight != nil || log != nil
    isCareful = isNoted
    isResuming = !again.isEmpty
    flight = Flight(again: again, ring: nil)
    unsafe table = queue.segmentTable
    self.log = log
    // The flags, which may have been corrected.
    log?.markUsed(0, byteCount: 2)
    split = consume queue
    splitInflight = inflight
  }

  init(
    _ queue: consuming PackedDeviceQueue<VhostTranslator>, _ ring: PackedRing, lost: UInt16, inflight: PackedInflight?,
    log: WriteLog?, again: [FlightEntry]
  ) {
    isPacked = true
    self.lost = lost
    size = queue.size
    isInOrder = queue.features.contains(.inOrder)
    hasEventIndex = queue.features.contains(.eventIndex)
    isNoted = inflight != nil || log != nil
    isCareful = isNoted
    isResuming = !again.isEmpty
    flight = Flight(again: again, ring: ring)
    unsafe table = queue.segmentTable
    self.log = log
    log?.markUsed(0, byteCount: 4)
    nextUsed = WrapCounter(word: queue.position)
    packed = consume queue
    packedInflight = inflight
  }

  /// The next available buffer, `nil` when there is none.
  ///
  /// For a device that finishes a buffer later; one that does so at once calls ``serve(atMost:_:)``.
  ///
  /// - Throws: `QueueError`; one that is pending is tried again later.
  public mutating func next() throws(QueueError) -> DeviceChain? {
    let chain: DeviceChain
    if isResuming, let entry = flight.again.first {
      let found = isPacked ? try packed?.refetch(entry.descriptors) : try split?.refetch(entry.id)
      guard let found else { return nil }
      chain = found
      flight.fetchedAgain(chain)
      isResuming = !flight.again.isEmpty
    } else {
      guard let found = isPacked ? try packed?.next() : try split?.next() else { return nil }
      chain = found
      note(fetched: chain)
    }
    fetches &+= 1
    segmentCount = chain.segmentCount
    if isNoted && log != nil { rememberSegments(chain) }
    return chain
  }

  /// A chain was fetched from the ring and is not given back at once.
  @usableFromInline
  mutating func note(fetched chain: DeviceChain) {
    flight.fetched(chain, end: fetchedEnd)
    if !isNoted { return }
    splitInflight?.fetched(chain.id)
    packedInflight?.fetched(descriptorCount: chain.descriptorCount)
  }

  /// The offset behind all that was fetched, in a packed ring.
  private var fetchedEnd: WrapCounter {
    mutating get { WrapCounter(word: packed?.lent { $0.fetchedPosition } ?? 0x8000) }
  }

  /// The segments of the chain that ``next()`` returned last, lent until the queue is used again.
  @inlinable
  public var segments: Span<TranslatedSegment> {
    @_lifetime(borrow self) get {
      // SAFETY: the queue's own table, written by its mutating calls only; the first entries are set.
      let span = unsafe Span(_unsafeStart: table, count: segmentCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Notes that the device is done with a chain.
  ///
  /// - Parameters:
  ///   - chain: the chain as ``next()`` returned it.
  ///   - written: bytes written from the first device-writable byte on.
  public mutating func complete(_ chain: DeviceChain, written: UInt32) {
    guard let index = flight.index(of: chain) else {
      preconditionFailure("a chain is completed that is none of this queue's")
    }
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    if isInOrder && index != 0 { return flight.keep(at: index, written: written) }
    if isReordering { return waiting.append((chain, written)) }
    giveBack(chain, at: index, written: written)
    guard isInOrder else { return }
    while let (chain, written) = flight.firstKept { giveBack(chain, at: 0, written: written) }
  }

  private mutating func giveBack(_ chain: DeviceChain, at index: Int, written: UInt32) {
    flight.remove(at: index, end: fetchedEnd)
    completions &+= 1
    if isNoted { noteDone(chain, at: index, written: written) }
    split?.complete(chain, written: written)
    packed?.complete(chain, written: written)
    if packedInflight != nil {
      publishCompleted()
      packedInflight?.published()
    }
  }

  /// Notes of a buffer that is about to be given back, behind all that the device wrote to it.
  @inline(never)
  private mutating func noteDone(_ chain: DeviceChain, at index: Int, written: UInt32) {
    splitInflight?.completed(chain.id)
    packedInflight?.publishing(chain.id, descriptorCount: chain.descriptorCount)
    guard let log else { return }
    log.mark(loggedSegments.remove(at: index), written: written)
    guard isPacked else { return }
    usedDescriptors.append(nextUsed.offset)
    nextUsed.advance(by: chain.descriptorCount, size: UInt16(size))
  }

  /// Makes the completions noted so far visible to the driver.
  mutating func publish() {
    if isReordering { giveBackWaiting() }
    publishCompleted()
  }

  private mutating func publishCompleted() {
    if log != nil { return publishLogged() }
    packed?.publish()
    split?.publish()
    if let position = split?.lent({ $0.position }) { splitInflight?.published(position) }
  }

  private mutating func giveBackWaiting() {
    while let (chain, written) = waiting.popLast() {
      if let index = flight.index(of: chain) { giveBack(chain, at: index, written: written) }
    }
  }

  /// Gives the buffers of each step back in the opposite of their order from now on, where IN_ORDER does not forbid it.
  mutating func reorder() {
    if isInOrder { return }
    (isReordering, isCareful) = (true, true)
  }

  /// Whether the device has buffers that it did not complete.
  var holdsBuffers: Bool { fetches != completions }

  /// What a successor has to fetch anew because it cannot find it in the ring from ``base`` on.
  var pending: [FlightEntry] { flight.pending }

  /// A vring's base, and in a packed ring the used position above it: the first buffer that was not completed, or where
  /// buffers were completed in another order the first that was not fetched.
  var base: UInt32 {
    mutating get {
      if flight.isShuffled { return UInt32(fetchedPosition) | (isPacked ? UInt32(position) << 16 : 0) }
      guard isPacked else { return UInt32(position &+ lost) }
      var next = WrapCounter(word: position)
      next.advance(by: lost, size: UInt16(size))
      return UInt32(next.word) | UInt32(position) << 16
    }
  }

  /// Behind everything fetched.
  var fetchedPosition: UInt16 {
    mutating get {
      packed?.lent { $0.fetchedPosition } ?? split?.lent { $0.fetchedPosition } ?? 0
    }
  }

  /// Behind everything published.
  var position: UInt16 {
    mutating get {
      packed?.lent { $0.position } ?? split?.lent { $0.position } ?? 0
    }
  }

  /// What the queue did.
  var counts: WorkCounts {
    mutating get {
      packed?.lent { $0.core.translator.counts } ?? split?.lent { $0.core.translator.counts } ?? WorkCounts()
    }
  }

  mutating func isNotificationDue() -> Bool {
    isPacked ? packed?.isNotificationDue() ?? false : split?.isNotificationDue() ?? false
  }

  mutating func enableNotifications() -> Bool {
    defer { markEvents() }
    return isPacked ? packed?.enableNotifications() ?? false : split?.enableNotifications() ?? false
  }

  mutating func disableNotifications() {
    packed?.disableNotifications()
    split?.disableNotifications()
    markEvents()
  }

  /// Nothing is in flight and the ring is given back: its next device begins where the front-end says.
  mutating func retire() {
    splitInflight?.retire()
    packedInflight?.retire()
  }
}

extension VringQueue {
  /// What the device may write to is needed when it is done with it: the queue's own table holds another chain by
  /// then.
  @inline(never)
  private mutating func rememberSegments(_ chain: DeviceChain) {
    loggedSegments.append(chain.segmentCount == 1 ? [chain.first] : [TranslatedSegment](segments))
  }

  /// ``publish()``, and behind it the log: what was not logged when the front-end looks is logged when it looks
  /// again.
  @inline(never)
  private mutating func publishLogged() {
    let before = position
    packed?.publish()
    split?.publish()
    if let position = split?.lent({ $0.position }) { splitInflight?.published(position) }
    if position == before { return }
    if isPacked {
      for offset in usedDescriptors { log?.markDescriptor(offset) }
      usedDescriptors.removeAll(keepingCapacity: true)
    } else {
      log?.markUsed(from: before, to: position, size: size)
      // The index.
      log?.markUsed(2, byteCount: 2)
    }
  }

  /// The word was written that says whether the driver has to notify.
  private func markEvents() {
    guard let log else { return }
    if isPacked {
      log.markUsed(0, byteCount: 4)
    } else if hasEventIndex {
      log.markUsed(4 + 8 * size, byteCount: 2)
    } else {
      log.markUsed(0, byteCount: 2)
    }
  }
}

/// How many queues were made.
private let queueGenerations = Atomic<UInt64>(0)

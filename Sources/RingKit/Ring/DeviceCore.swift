/// What a device queue keeps whatever its layout, and what is done with that alone.
///
/// Both layouts' queues have one each. It knows no ring.
@frozen
@usableFromInline
package struct DeviceCore<Translator: DMATranslator & ~Copyable>: ~Copyable {
  /// The DMA path's state and counters; never replaced while the queue lives.
  @usableFromInline package var translator: Translator
  /// The driver broke a rule.
  @usableFromInline var broken = false
  @usableFromInline let ordering: RingOrdering
  @usableFromInline let hasEventIndex: Bool
  @usableFromInline let isInOrder: Bool
  /// Whether one used entry stands for a batch.
  @usableFromInline let batches: Bool
  @usableFromInline let hasIndirect: Bool
  /// Entries of an indirect table at most.
  @usableFromInline var tableLimit: UInt32
  @usableFromInline var builder: ChainBuilder
  /// Published since the driver's wish to be notified was last looked at: buffers (split) or descriptors (packed).
  @usableFromInline var unannounced: UInt64 = 0
  /// IN_ORDER: the used entry that will stand for all completions that wait for one.
  @usableFromInline var batchID: UInt16 = 0
  @usableFromInline var batchLength: UInt32 = 0
  @usableFromInline let features: VirtioFeatures

  /// Of a queue whose configuration was checked.
  init(_ configuration: QueueConfiguration, translator: consuming Translator, memory: GuestMemory?) {
    self.translator = translator
    ordering = RingOrdering(configuration.features)
    hasEventIndex = configuration.features.contains(.eventIndex)
    isInOrder = configuration.features.contains(.inOrder)
    batches = configuration.features.contains(.inOrder) && configuration.sharesUsedEntries
    hasIndirect = configuration.features.contains(.indirectDescriptors)
    tableLimit = UInt32(configuration.size)
    features = configuration.features
    builder = ChainBuilder(
      queueSize: configuration.size, isPacked: configuration.features.contains(.packedRing), memory: memory)
  }

  /// Takes indirect tables of that many entries, although the specification wants none longer than the queue.
  mutating func acceptTables(of entries: Int) {
    guard entries > Int(tableLimit), entries <= 32_768 else { return }
    tableLimit = UInt32(entries)
    builder = ChainBuilder(queueSize: entries, isPacked: builder.isPacked, memory: builder.memory.memory)
  }

  /// The segments of the chain fetched last.
  @inlinable
  var segments: Span<TranslatedSegment> {
    @_lifetime(borrow self) get {
      // SAFETY: the table lives as long as self and is written by mutating calls only; the first entries are set.
      let span = unsafe Span(_unsafeStart: builder.table.base, count: builder.count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}

extension DeviceCore where Translator: ~Copyable {
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

  /// A chain could not be fetched.
  @inlinable @inline(never)
  mutating func fail(_ error: QueueError) -> QueueError {
    broken = !error.isPending
    return error
  }

  /// How many entries an indirect table of that length has: a whole number (`rule`), and no more than are accepted.
  @inlinable @inline(__always)
  func entries(ofTable byteCount: UInt32, _ rule: RingRule) throws(QueueError) -> UInt32 {
    if byteCount == 0 || byteCount & 15 != 0 {
      throw .violation(RingViolation(rule, .length, UInt64(byteCount), limit: 16))
    }
    let entries = byteCount >> 4
    if entries > tableLimit {
      throw .violation(RingViolation(rule, .count, UInt64(entries), limit: UInt64(tableLimit)))
    }
    return entries
  }

  /// Starts afresh.
  mutating func reset() {
    broken = false
    unannounced = 0
    builder.begin()
  }

  /// The queue's state but for where it stands in its ring; everything completed is published.
  func saveState(
    _ ring: [GuestPhysicalAddress], size: Int, isSecure: Bool, holding chains: [HeldChain]
  ) throws(QueueStateError) -> QueueState {
    var state = QueueState(
      .device, builder.isPacked ? .packed : .split, size: size, features: features, isSecure: isSecure,
      ring: ring.map(\.rawValue))
    try state.hold(chains)
    state.unannounced = unannounced
    return state
  }

  /// Holds the chains of a state again, and lends each.
  mutating func takeOver(
    _ state: QueueState, _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) {
    unannounced = state.unannounced
    for saved in state.held {
      let chain = try builder.rebuild(saved, &translator)
      held(chain, ChainSegments(segments))
    }
  }
}

/// What a layout's device queue gives to the code that both share.
@usableFromInline
protocol RingDevice: DeviceQueue, ~Copyable {
  associatedtype Translator: DMATranslator & ~Copyable

  var core: DeviceCore<Translator> { get set }

  /// Has the next buffer served on the spot, completes it and publishes: in one go where it is one contiguous element
  /// and no other is under way, else as ``serveOne(_:)``.
  mutating func serveAlone<Failure: Error>(
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int

  /// Serves buffers of one contiguous element as long as they come, with everything the loop needs in locals.
  mutating func serveSingles<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int
}

extension RingDevice where Self: ~Copyable {
  /// Takes the next buffer, has it served on the spot and completes it; false when there is none.
  @inlinable @inline(__always)
  mutating func serveNext<Failure: Error>(
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Bool {
    let chain: DeviceChain
    do throws(QueueError) {
      guard let next = try next() else { return false }
      chain = next
    } catch { throw .queue(error) }
    let written: UInt32
    do throws(Failure) { written = try body(chain, ChainSegments(segments)) } catch { throw .body(error) }
    complete(chain, written: written)
    core.translator.service()
    return true
  }

  /// Takes one buffer of any shape, has it served on the spot, completes it and publishes.
  @inlinable @inline(never)
  mutating func serveOne<Failure: Error>(
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    defer { publish() }
    return try serveNext(body) ? 1 : 0
  }

  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  mutating func serveAll<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    if limit == 1 { return try serveAlone(body) }
    var count = 0
    defer { publish() }
    while count < limit {
      count &+= try serveSingles(limit &- count, body)
      if count == limit { break }
      // The first that is not one contiguous element; or there is none.
      guard try serveNext(body) else { break }
      count &+= 1
    }
    return count
  }
}

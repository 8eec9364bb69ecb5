extension SplitDeviceQueue: ResumableDeviceQueue where Translator: ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was completed first.
  ///
  /// The queue goes on as before. A device that completes what it holds beforehand has nothing to give for `chains`.
  ///
  /// - Complexity: O(chains).
  /// - Parameters:
  ///   - isSecure: whether the guest's memory is out of its devices' reach.
  ///   - chains: everything fetched and not completed, in the order of fetching.
  /// - Returns: the state.
  /// - Throws: ``QueueStateError/broken``, ``QueueStateError/wrongChains(reason:)``.
  public mutating func saveState(
    isSecure: Bool = false, holding chains: [(chain: DeviceChain, segments: [TranslatedSegment])] = []
  ) throws(QueueStateError) -> QueueState {
    if broken { throw .broken }
    guard chains.count == inFlightCount else {
      throw .wrongChains(reason: "\(chains.count) were given, \(inFlightCount) are fetched and not completed")
    }
    publish()
    var state = QueueState(
      .device, .split, size: ring.size, features: features, isSecure: isSecure, ring: ring.parts.map(\.rawValue))
    try state.hold(chains)
    state.added = fetched.rawValue
    state.returned = completed.rawValue
    state.unannounced = unannounced
    state.suppression = UInt32(flags)
    return state
  }

  /// A queue that goes on where another one was when its state was saved.
  ///
  /// - Parameters:
  ///   - state: what ``saveState(isSecure:holding:)`` of the other queue returned.
  ///   - ring: the ring's memory with its contents, at the same guest-physical addresses.
  ///   - translator: leads the same addresses to the same memory, as this side has it mapped.
  ///   - held: called for each chain that the other queue had fetched and not completed, with its segments here; to be
  ///     completed like one from ``next()``, with IN_ORDER in this order.
  /// - Returns: the queue, which owns the translator.
  /// - Throws: ``QueueStateError``.
  public static func restored(
    from state: QueueState, ring: SplitRing, translator: consuming Translator,
    _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) -> Self {
    try state.admit(.device, .split, size: ring.size, ring: ring.parts, tables: nil)
    let index = ring.used.load16(SplitRing.indexOffset)
    guard index == state.returned else { throw .mismatch(.returned, found: "\(state.returned)", expected: "\(index)") }
    var queue = Self(checked: state.configuration, ring: ring, translator: translator)
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
    unannounced = state.unannounced
    flags = UInt16(truncatingIfNeeded: state.suppression)
    ring.used.store16(flags, 0)
    for saved in state.held {
      let chain = try builder.rebuild(saved, &translator)
      held(chain, ChainSegments(segments))
    }
  }
}

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Where another device would go on (``resume(at:)``): behind everything published.
  public var position: UInt16 { published.rawValue }
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
    flags = hasEventIndex ? 0 : found & 1
    if flags != found { ring.used.store16(flags, 0) }
    return true
  }
}

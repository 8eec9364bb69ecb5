extension PackedDeviceQueue: ResumableDeviceQueue where Translator: ~Copyable {
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
      .device, .packed, size: ring.size, features: features, isSecure: isSecure, ring: ring.parts.map(\.rawValue))
    try state.hold(chains)
    var descriptors: UInt32 = 0
    for held in chains { descriptors += UInt32(held.chain.descriptorCount) }
    guard descriptors == heldDescriptors else {
      throw .wrongChains(reason: "they take \(descriptors) descriptors, \(heldDescriptors) are fetched")
    }
    state.available = QueueState.Position(available)
    state.used = QueueState.Position(used)
    state.unannounced = unannounced
    state.suppression = event.rawValue
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
    from state: QueueState, ring: PackedRing, translator: consuming Translator,
    _ held: (DeviceChain, borrowing ChainSegments) -> Void
  ) throws(QueueStateError) -> Self {
    try state.admit(.device, .packed, size: ring.size, ring: ring.parts, tables: nil)
    var queue = Self(checked: state.configuration, ring: ring, translator: translator)
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
    unannounced = state.unannounced
    event = EventSuppression(rawValue: state.suppression)
    ring.deviceEvent.store32(event.rawValue, 0)
    for saved in state.held {
      let chain = try builder.rebuild(saved, &translator)
      heldDescriptors &+= UInt32(saved.descriptorCount)
      held(chain, ChainSegments(segments))
    }
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Where another device would go on (``resume(at:)``): behind everything published, with the wrap counter in bit 15.
  public var position: UInt16 { published.word }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Goes on where another device ended: at the first descriptor that it did not use.
  ///
  /// Only for a ring whose devices complete buffers in the order they fetch them and publish each used
  /// descriptor by itself (`serve(atMost: 1)`; with IN_ORDER a batch of buffers used completely is one): a larger batch
  /// that was cut off leaves used descriptors behind one that is not, and what they said before is lost.
  public mutating func resume(at position: UInt16) -> Bool {
    precondition(inFlight == 0 && used == WrapCounter(), "a queue resumes before it serves")
    let place = WrapCounter(offset: position & 0x7fff, wrap: position & 0x8000 != 0)
    guard place.offset < ringSize else { return false }
    let word = ring.descriptors.load64(Int(place.offset) &* 16 &+ 8)
    let marks = UInt16(truncatingIfNeeded: word >> 48) & (DescriptorFlags.available | DescriptorFlags.used)
    // A descriptor of this lap that is used already: the driver has not come this far.
    guard marks != place.usedFlags else { return false }
    return resume(available: place.word, used: place.word)
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
    event = found.isPossible(size: ring.size, hasEventIndex: hasEventIndex) ? found : .enable
    if event.rawValue != found.rawValue { ring.deviceEvent.store32(event.rawValue, 0) }
    return true
  }
}

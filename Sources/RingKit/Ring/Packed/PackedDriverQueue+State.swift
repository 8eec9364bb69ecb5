extension PackedDriverQueue: ResumableDriverQueue where Mapper: ResumableMapper & ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was added first.
  ///
  /// The queue goes on as before. Buffers stay mapped: a caller that replaces the queue by
  /// another one drops it.
  /// - Complexity: O(size).
  /// - Parameters:
  ///   - isSecure: whether the guest's memory is out of its devices' reach.
  ///   - describe: what a buffer in flight was added as, by its token; `nil` for a token the caller does not know.
  /// - Returns: the state.
  /// - Throws: ``QueueStateError/broken``, ``QueueStateError/undescribed(token:)``,
  ///   ``QueueStateError/misdescribed(token:reason:)``, ``QueueStateError/mapping(token:_:)``.
  public mutating func saveState(
    isSecure: Bool = false, describing describe: (UInt64) -> (readable: [MemorySegment], writable: [MemorySegment])?
  ) throws(QueueStateError) -> QueueState {
    if broken { throw .broken }
    publish()
    var state = QueueState(
      .driver, .packed, size: ring.size, features: features, isSecure: isSecure, ring: ring.parts.map(\.rawValue))
    state.tables = inFlightTable.indirectCapacity > 0 ? indirectBase.rawValue : 0
    state.batchRemaining = batchRemaining
    state.batchLength = batchRemaining == 0 ? 0 : batchLength
    state.unannounced = unannounced
    state.suppression = event.rawValue
    state.available = QueueState.Position(available)
    state.used = QueueState.Position(used)
    try inFlightTable.save(into: &state, mapper, tables: indirectBase, describe)
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
    try inFlightTable.restore(state, &mapper, tables: indirectBase)
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

extension SplitDriverQueue: ResumableDriverQueue where Mapper: ResumableMapper & ~Copyable {
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
      .driver, .split, size: ring.size, features: features, isSecure: isSecure, ring: ring.parts.map(\.rawValue))
    state.tables = inFlightTable.indirectCapacity > 0 ? indirectBase.rawValue : 0
    state.batchRemaining = batchRemaining
    state.batchLength = batchRemaining == 0 ? 0 : batchLength
    state.unannounced = unannounced
    state.suppression = UInt32(flags)
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
    from state: QueueState, ring: SplitRing, indirectTables: GuestBuffer? = nil, mapper: consuming Mapper
  ) throws(QueueStateError) -> Self {
    try state.admit(.driver, .split, size: ring.size, ring: ring.parts, tables: indirectTables)
    let index = ring.available.load16(SplitRing.indexOffset)
    guard index == state.added else { throw .mismatch(.added, found: "\(state.added)", expected: "\(index)") }
    var queue = Self(
      state.configuration, ring: ring, indirectTables: indirectTables, capacity: state.indirectCapacity, mapper: mapper)
    try queue.takeOver(state)
    return queue
  }

  private mutating func takeOver(_ state: QueueState) throws(QueueStateError) {
    try inFlightTable.restore(state, &mapper, tables: indirectBase)
    // Others can write these: they are compared with heads, and used as such only where they are replaced below.
    for slot in 0..<ring.size { availableCopy[slot] = ring.available.load16(4 + 2 * slot) }
    if isInOrder {
      // Heads are found by position then, and not on the word of memory that others can write.
      for buffer in state.inFlight {
        let (slot, head) = (RingIndex(buffer.position).slot(mask: mask), buffer.slots[0])
        if availableCopy[slot] != head { ring.available.store16(head, 4 + 2 * Int(slot)) }
        availableCopy[slot] = head
      }
    }
    batchRemaining = state.batchRemaining
    batchLength = state.batchLength
    usedSeen = inFlightTable.returned.advanced(by: batchRemaining)
    unannounced = state.unannounced
    flags = UInt16(truncatingIfNeeded: state.suppression)
    ring.available.store16(flags, 0)
  }
}

extension SplitDriverQueue where Mapper: ~Copyable {
  /// Where another device has to go on: the used index, once all that it covers was reclaimed; `nil` before.
  public var devicePosition: UInt16? {
    ordering.observe16(ring.used, at: SplitRing.indexOffset) == inFlightTable.returned.rawValue
      ? inFlightTable.returned.rawValue : nil
  }
}

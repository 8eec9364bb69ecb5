extension SwiotlbPool {
  /// Finds and takes slots without a mapping and its copy: what an area's lock is held for, for a benchmark of that alone.
  ///
  /// - Returns: the first slot, or `nil` when there is no room.
  package func takeSlots(_ byteCount: UInt32, cpu: UInt32) -> UInt32? {
    let found = slots.allocate(byteCount, cpu: cpu)
    return found.slot == SwiotlbSearch.none ? nil : found.slot
  }

  /// Gives back what ``takeSlots(_:cpu:)`` took for as many bytes.
  package func giveSlots(_ slot: UInt32, _ byteCount: UInt32) { slots.release(slot, byteCount) }
}

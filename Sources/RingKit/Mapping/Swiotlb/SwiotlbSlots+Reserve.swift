internal import CRing

extension SwiotlbSlots {
  /// Takes the run of slots that holds `byteCount` bytes from `slot` on, if all of it is free.
  func reserve(_ slot: UInt32, _ byteCount: UInt32) -> Bool {
    let wanted = SwiotlbSlots.slotsNeeded(byteCount)
    guard slot < slotCount, wanted > 0 else { return false }
    // SAFETY: slot < slotCount, and a free run never leaves its segment, so neither does what is taken of it.
    let state = unsafe areas + Int(slot / areaSlotCount)
    unsafe cring_lock(state)
    defer { unsafe cring_unlock(state) }
    guard unsafe UInt32(runs[Int(slot)]) >= wanted else { return false }
    unsafe take(slot, wanted)
    let used = unsafe state.pointee.used &+ wanted
    unsafe state.pointee.used = used
    if unsafe used > state.pointee.highWater { unsafe state.pointee.highWater = used }
    account(adding: UInt64(wanted))
    return true
  }
}

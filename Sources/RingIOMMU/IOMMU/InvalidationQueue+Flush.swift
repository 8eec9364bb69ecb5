internal import CRing
public import RingKit

/// What a request does, wherever those are that it waits for.
extension InvalidationQueue {
  // Looks at a server before the first pause, and between two looks at the clock. A waiter that goes on without one takes the
  // line from the server that is to write it: 512 cost 27 ns more behind one L3, none at all no less.
  private static let spinsBeforePause = 64
  private static let spinsPerClock = 1024

  /// Posts an invalidation and a wait descriptor, and waits.
  @usableFromInline @inline(never)
  func flush(_ descriptor: InvalidationDescriptor) throws(DMAError) {
    if let published = unsafe published { return try unsafe flush(descriptor, published) }
    try flush(descriptor, through: ThreadPlaces(queue: self))
  }

  @inline(__always)
  func flush<Places: InvalidationPlaces>(
    _ descriptor: InvalidationDescriptor, through places: Places
  ) throws(DMAError) {
    // Taking the lock waits until the cleared entries have left this CPU, lines the device has just read; the line of the
    // tail, which it has read too, comes meanwhile. Not from who holds the lock and is about to write it.
    if unsafe cring_load_relaxed_32(block) == 0 {
      unsafe cring_prefetch_exclusive(Self.latestCopy(0, places.requests))
    }
    unsafe cring_lock_counting(block, waitsWord)
    var end = tail &+ 2
    while end &- slowest(of: places) > Self.slotCount {
      unsafe cring_unlock(block)
      try wait(end &- Self.slotCount, for: places)
      unsafe cring_lock_counting(block, waitsWord)
      end = tail &+ 2
    }
    unsafe Self.write(descriptor, places.slots, end &- 2)
    unsafe Self.write(.wait(end), places.slots, end &- 1)
    let copy = unsafe Self.latestCopy(end, places.requests)
    unsafe cring_store_release_64(copy, descriptor.head)
    unsafe cring_store_release_64(copy + 8, descriptor.body)
    unsafe cring_store_release_64(block + Self.tailOffset, end)
    places.publish(end)
    unsafe cring_unlock(block)
    try wait(end, for: places)
  }

  private static func write(
    _ descriptor: InvalidationDescriptor, _ slots: UnsafeMutableRawPointer, _ position: UInt64
  ) {
    let slot = unsafe slot(position, slots)
    unsafe cring_store_relaxed_64(slot, descriptor.head)
    unsafe cring_store_relaxed_64(slot + 8, descriptor.body)
  }

  /// How far the server has come that is furthest behind; no slot before it is read any more.
  private func slowest<Places: InvalidationPlaces>(of places: Places) -> UInt64 {
    var least = tail
    for server in 0..<serverCount { least = min(least, places.progress(server)) }
    return least
  }

  private func wait<Places: InvalidationPlaces>(_ end: UInt64, for places: Places) throws(DMAError) {
    for server in 0..<serverCount {
      var spins = 0
      var deadline: UInt64 = 0
      while try !places.hasServed(server, end) {
        if servedBy == .waiter { try places.serveInPlace(server) }
        spins += 1
        if spins > Self.spinsBeforePause { cring_spin_hint() }
        guard spins % Self.spinsPerClock == 0 else { continue }
        let now = cring_nanoseconds()
        if deadline == 0 {
          deadline = now &+ timeout
        } else if now > deadline {
          throw .invalidationTimedOut(nanoseconds: timeout)
        }
      }
    }
  }
}

internal import RingKit

extension VhostUserBackend {
  /// Begins where the ring stands: at the vring's base, or where the inflight memory and the used ring say.
  func startSplit(
    _ vring: Vring, _ queue: consuming SplitDeviceQueue<VhostTranslator>, _ ring: SplitRing
  ) throws(VhostUserError) {
    let base = vring.base ?? 0
    guard base <= 0xffff else { throw .vringBase(base) }
    var queue = queue
    var position = UInt16(truncatingIfNeeded: base)
    var notes: SplitInflight?
    if let inflight {
      let part = try inflight.queue(vring.index, size: ring.size, packed: false)
      // Bytes 2 and 3 of the used and the available ring are its index, and 4 is where the entries begin.
      position = ring.used.load16(2)
      let mask = UInt16(ring.size - 1)
      notes = try SplitInflight(part, size: Int(inflight.description.queueSize), used: position) { offset in
        ring.available.load16(4 + 2 * Int((position &+ offset) & mask))
      }
    }
    let hasResumed = queue.resume(at: position)
    guard hasResumed else { throw .vringPosition(index: vring.index, base) }
    vring.queue = VringQueue(consume queue, inflight: notes)
  }

  /// Begins where the ring stands: at the vring's base, or where the inflight memory says.
  func startPacked(
    _ vring: Vring, _ queue: consuming PackedDeviceQueue<VhostTranslator>, _ ring: PackedRing
  ) throws(VhostUserError) {
    var queue = queue
    let base = vring.base ?? 0x8000
    var position = try packedPosition(base, size: ring.size)
    var notes: PackedInflight?
    if let inflight {
      let part = try inflight.queue(vring.index, size: ring.size, packed: true)
      let made = try PackedInflight(
        part, size: Int(inflight.description.queueSize), ring: ring,
        base: WrapCounter(offset: position & 0x7fff, wrap: position & 0x8000 != 0))
      position = made.position
      notes = made
    }
    let hasResumed = queue.resume(at: position)
    guard hasResumed else { throw .vringPosition(index: vring.index, base) }
    vring.queue = VringQueue(consume queue, inflight: notes)
  }

  /// The base of a packed ring: the available position in the lower half and the used one in the upper, or nothing there,
  /// as some front-ends have it.
  private func packedPosition(_ base: UInt32, size: Int) throws(VhostUserError) -> UInt16 {
    let (available, used) = (UInt16(truncatingIfNeeded: base), UInt16(truncatingIfNeeded: base >> 16))
    let position = used == 0 ? available : used
    guard position & 0x7fff < size else { throw .vringBase(base) }
    return position
  }
}

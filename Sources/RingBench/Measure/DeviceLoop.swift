import CRing
import CRingBench
import RingKit

/// The device's side: takes what is available, looks at it, hands it back in batches, until the slice is over.
struct DeviceLoop {
  let plan: LoadPlan
  /// Number of the next buffer: it goes on from slice to slice.
  private(set) var sequence: UInt64 = 0

  init(_ plan: LoadPlan) { self.plan = plan }

  /// Serves the queue until the driver ends the slice.
  mutating func run<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue, gate: SliceGate) throws(SliceFailure) {
    var idle = 0
    while true {
      let served = try serve(&queue)
      queue.service()
      if served != 0 {
        idle = 0
        continue
      }
      idle &+= 1
      if let doorbells = plan.doorbells {
        if gate.isSliceOver { return }
        if gate.hasFailed { throw .other }
        if !queue.enableNotifications() { _ = doorbells.kick.wait(milliseconds: 20) }
        queue.disableNotifications()
        continue
      }
      if idle & 0xf == 0xf && gate.isSliceOver { return }
      if idle & 0x3f == 0x3f { cring_spin_hint() }
      if idle & 0xfff == 0xfff && gate.hasFailed { throw .other }
    }
  }

  /// Up to one batch of buffers, made visible with one store.
  @inline(__always)
  private mutating func serve<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    var count = 0
    while count < plan.batch {
      let next: DeviceChain?
      do throws(QueueError) { next = try queue.next() } catch { throw .queue(error) }
      guard let chain = next else { break }
      if plan.touch == .full { try transfer(&queue, chain) }
      queue.complete(chain, written: UInt32(truncatingIfNeeded: chain.writableByteCount))
      // A driver that unmaps waits for this thread; a unit in hardware would not let it wait for a whole batch.
      queue.service()
      sequence &+= 1
      count &+= 1
    }
    if count != 0 {
      queue.publish()
      if plan.looksAtEvents, queue.isNotificationDue(), let doorbells = plan.doorbells { doorbells.call.ring() }
    }
    return count
  }

  @inline(__always)
  private mutating func transfer<Queue: DeviceQueue & ~Copyable>(
    _ queue: inout Queue, _ chain: DeviceChain
  ) throws(SliceFailure) {
    if chain.segmentCount == 1 && chain.first.byteCount == plan.bytes {
      if plan.direction == .deviceWritable {
        unsafe crb_fill(chain.first.host.pointer, plan.bytes, sequence)
      } else if unsafe !crb_check(chain.first.host.pointer, plan.bytes, sequence) {
        throw .wrongByte(
          sequence: sequence,
          offset: unsafe crb_first_wrong_byte(chain.first.host.pointer, plan.bytes, sequence))
      }
    } else {
      try transferPieces(queue.segments)
    }
  }

  /// A buffer in several stretches: each is filled or checked at its place in the whole.
  @inline(never)
  private func transferPieces(_ segments: Span<TranslatedSegment>) throws(SliceFailure) {
    var offset = 0
    for i in segments.indices {
      let segment = segments[i]
      if plan.direction == .deviceWritable {
        unsafe crb_fill_part(segment.host.pointer, segment.byteCount, offset, sequence)
      } else if unsafe !crb_check_part(segment.host.pointer, segment.byteCount, offset, sequence) {
        throw .wrongByte(sequence: sequence, offset: offset)
      }
      offset += segment.byteCount
    }
    if offset != plan.bytes { throw .wrongLength(sequence: sequence, expected: plan.bytes, got: offset) }
  }
}

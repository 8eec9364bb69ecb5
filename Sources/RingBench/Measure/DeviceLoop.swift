import CRing
import CRingBench
import RingKit

/// The device's side: takes what is available, looks at it, hands it back in batches, until the slice is over.
struct DeviceLoop {
  let plan: LoadPlan
  /// Number of the next buffer: it goes on from slice to slice.
  private(set) var sequence: UInt64

  init(_ plan: LoadPlan, from sequence: UInt64 = 0) {
    self.plan = plan
    self.sequence = sequence
  }

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

  /// One batch, and whatever the IOMMU was asked; returns how many buffers there were.
  mutating func turn<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let served = try serve(&queue)
    queue.service()
    return served
  }

  /// Up to one batch of buffers, made visible with one store.
  @inline(__always)
  private mutating func serve<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let (plan, first) = (plan, sequence)
    var number = first
    let count: Int
    do {
      count = try queue.serve(atMost: plan.batch) { chain, segments throws(SliceFailure) in
        if plan.touch == .full { try Self.transfer(plan, number, chain, segments) }
        number &+= 1
        return UInt32(truncatingIfNeeded: chain.writableByteCount)
      }
    } catch {
      switch error {
      case .queue(let error): throw .queue(error)
      case .body(let failure): throw failure
      }
    }
    sequence = number
    if count != 0 && plan.looksAtEvents {
      if queue.isNotificationDue(), let doorbells = plan.doorbells { doorbells.call.ring() }
    }
    return count
  }

  @inline(__always)
  private static func transfer(
    _ plan: LoadPlan, _ number: UInt64, _ chain: DeviceChain, _ segments: borrowing ChainSegments
  ) throws(SliceFailure) {
    if chain.segmentCount == 1 && chain.first.byteCount == plan.bytes {
      if plan.direction == .deviceWritable {
        unsafe crb_fill(chain.first.host.pointer, plan.bytes, number)
      } else if unsafe !crb_check(chain.first.host.pointer, plan.bytes, number) {
        throw .wrongByte(
          sequence: number, offset: unsafe crb_first_wrong_byte(chain.first.host.pointer, plan.bytes, number))
      }
    } else {
      try transferPieces(plan, number, segments)
    }
  }

  /// A buffer in several stretches: each is filled or checked at its place in the whole.
  // Inlined, or the stretches of every buffer are put into memory for this call alone.
  @inline(__always)
  static func transferPieces(
    _ plan: LoadPlan, _ number: UInt64, _ segments: borrowing ChainSegments
  ) throws(SliceFailure) {
    var offset = 0
    for i in segments.indices {
      let segment = segments[i]
      if plan.direction == .deviceWritable {
        unsafe crb_fill_part(segment.host.pointer, segment.byteCount, offset, number)
      } else if unsafe !crb_check_part(segment.host.pointer, segment.byteCount, offset, number) {
        throw .wrongByte(sequence: number, offset: offset)
      }
      offset += segment.byteCount
    }
    if offset != plan.bytes { throw .wrongLength(sequence: number, expected: plan.bytes, got: offset) }
  }
}

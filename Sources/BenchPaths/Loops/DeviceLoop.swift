import BenchPlan
import CRing
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform

/// The device's side: takes what is available, looks at it, hands it back in batches, until the slice is over.
struct DeviceLoop {
  private let transfer: Transfer
  private let looksAtEvents: Bool
  private let doorbells: Doorbells?
  /// Number of the next buffer: it goes on from slice to slice.
  private(set) var sequence: UInt64

  init(_ plan: LoadPlan, from sequence: UInt64 = 0) {
    transfer = plan.transfer
    looksAtEvents = plan.looksAtEvents
    doorbells = plan.doorbells
    self.sequence = sequence
  }

  /// Serves the queue until the driver ends the slice.
  mutating func run<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue, barrier: SliceBarrier) throws(SliceFailure) {
    var idle = 0
    while true {
      if try turn(&queue) != 0 {
        idle = 0
        continue
      }
      idle &+= 1
      if let doorbells {
        if barrier.isSliceOver { return }
        if barrier.hasFailed { throw .other }
        if !queue.enableNotifications() { _ = doorbells.kick.wait(milliseconds: 20) }
        queue.disableNotifications()
        continue
      }
      if idle & 0xf == 0xf && barrier.isSliceOver { return }
      if idle & 0x3f == 0x3f { cring_spin_hint() }
      if idle & 0xfff == 0xfff && barrier.hasFailed { throw .other }
    }
  }

  /// Up to one batch of buffers, made visible with one store, and what the IOMMU was asked; returns how many there
  /// were.
  @inline(__always)
  mutating func turn<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let count: Int
    if transfer.isTouched {
      count = try transferAndComplete(&queue)
    } else {
      do throws(QueueError) { count = try Self.consumeAndComplete(&queue, atMost: transfer.batch) } catch {
        throw .queue(error)
      }
      sequence &+= UInt64(count)
    }
    if count != 0 && looksAtEvents && queue.isNotificationDue(), let doorbells { doorbells.call.ring() }
    return count
  }

  /// Buffers handed back as they are; a function of its own, so that a profiler sees it by name.
  @inline(never)
  static func consumeAndComplete<Queue: DeviceQueue & ~Copyable>(
    _ queue: inout Queue, atMost batch: Int
  ) throws(QueueError) -> Int {
    let count: Int
    do {
      count = try queue.serve(atMost: batch) { chain, _ throws(Never) in
        UInt32(truncatingIfNeeded: chain.writableByteCount)
      }
    } catch {
      switch error {
      case .queue(let error): throw error
      }
    }
    queue.service()
    return count
  }

  /// Buffers read or written in full, each with its number.
  @inline(never)
  private mutating func transferAndComplete<Queue: DeviceQueue & ~Copyable>(
    _ queue: inout Queue
  ) throws(SliceFailure) -> Int {
    let transfer = transfer
    var number = sequence
    let count: Int
    do {
      count = try queue.serve(atMost: transfer.batch) { chain, segments throws(WrongPayload) in
        try Self.move(transfer, number, chain, segments)
        number &+= 1
        return UInt32(truncatingIfNeeded: chain.writableByteCount)
      }
    } catch {
      switch error {
      case .queue(let error): throw .queue(error)
      case .body(let wrong): throw wrong.failure
      }
    }
    sequence = number
    queue.service()
    return count
  }

  @inline(__always)
  private static func move(
    _ transfer: Transfer, _ number: UInt64, _ chain: DeviceChain, _ segments: borrowing ChainSegments
  ) throws(WrongPayload) {
    guard chain.segmentCount == 1 && chain.first.byteCount == transfer.bytes else {
      return try transferSegments(transfer, number, segments)
    }
    if transfer.direction == .deviceWritable {
      unsafe crb_fill(chain.first.host.pointer, transfer.bytes, number)
    } else if unsafe !crb_check(chain.first.host.pointer, transfer.bytes, number) {
      throw WrongPayload(
        sequence: number, offset: unsafe crb_first_wrong_byte(chain.first.host.pointer, transfer.bytes, number))
    }
  }

  /// A buffer in several segments: each is filled or checked at its offset in the whole.
  @inline(never)
  static func transferSegments(
    _ transfer: Transfer, _ number: UInt64, _ segments: borrowing ChainSegments
  ) throws(WrongPayload) {
    var offset = 0
    for i in segments.indices {
      let segment = segments[i]
      if transfer.direction == .deviceWritable {
        unsafe crb_fill_part(segment.host.pointer, segment.byteCount, offset, number)
      } else if unsafe !crb_check_part(segment.host.pointer, segment.byteCount, offset, number) {
        throw WrongPayload(sequence: number, offset: offset)
      }
      offset += segment.byteCount
    }
    if offset != transfer.bytes { throw WrongPayload(sequence: number, expected: transfer.bytes, got: offset) }
  }
}

/// What a device found wrong with a buffer: a few words, because the loop that serves buffers carries it along.
struct WrongPayload: Error {
  private let sequence: UInt64
  private let expected: Int
  private let found: Int

  /// A byte at that offset.
  init(sequence: UInt64, offset: Int) { (self.sequence, expected, found) = (sequence, -1, offset) }

  /// Its length in bytes.
  init(sequence: UInt64, expected: Int, got: Int) { (self.sequence, self.expected, found) = (sequence, expected, got) }

  var failure: SliceFailure {
    expected < 0
      ? .wrongByte(sequence: sequence, offset: found) : .wrongLength(sequence: sequence, expected: expected, got: found)
  }
}

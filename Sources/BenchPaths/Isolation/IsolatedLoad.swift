import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// What a device in another process does with each buffer, as words of its queue's description.
struct IsolatedLoad: Equatable, Sendable {
  /// Where the device keeps its counts of work, when it counts.
  var counts: GuestPhysicalAddress?
  var direction = DMADirection.deviceReadable
  var touch = PayloadTouch.full
  var bytes = 0
  /// Buffers that become visible at a time; 1 where a successor may have to go on in a packed ring.
  var batch = 1
  /// Addresses are looked for among the 2 MiB pages first, as a device of `hybrid` does.
  var prefersLargePages = false
  /// Number of the first buffer: not 0 for a device that takes another's place.
  var sequence: UInt64 = 0

  /// As they go over.
  ///
  /// Word 0: bit 0 device-writable, bit 1 payload touched, bit 2 counting, bit 3 large pages first. 1: bytes. 2: batch.
  /// 3: address of the counts. 4: sequence number.
  var words: [UInt64] {
    let flags =
      (direction == .deviceWritable ? 1 : 0) | (touch == .full ? 2 : 0) | (counts != nil ? 4 : 0)
      | (prefersLargePages ? 8 : 0)
    return [UInt64(flags), UInt64(bytes), UInt64(batch), counts?.rawValue ?? 0, sequence]
  }

  init() {}

  /// What words say, or `nil` when no load has them.
  init?(_ words: [UInt64]) {
    guard words.count >= 5, words[0] < 16, words[1] <= 16 << 20, (1...32_768).contains(words[2]),
      words[5...].allSatisfy({ $0 == 0 })
    else { return nil }
    direction = words[0] & 1 != 0 ? .deviceWritable : .deviceReadable
    touch = words[0] & 2 != 0 ? .full : .none
    if words[0] & 4 != 0 { counts = GuestPhysicalAddress(words[3]) }
    prefersLargePages = words[0] & 8 != 0
    bytes = Int(words[1])
    batch = Int(words[2])
    sequence = words[4]
  }
}

/// Counts of work in shared memory: written by a device's process at the end of a slice, read by the driver's after it.
struct WorkArea: Sendable {
  /// Room for 64 kinds of work.
  static let byteCount = 512

  private let words: SharedMemory
  private let region: MemoryRegion

  init(_ buffer: GuestBuffer) {
    precondition(buffer.byteCount >= Self.byteCount && WorkEvent.allCases.count <= Self.byteCount / 8)
    words = unsafe SharedMemory(buffer.host, byteCount: buffer.byteCount)
    region = buffer.region
  }

  var counts: WorkCounts {
    get {
      var counts = WorkCounts()
      for (i, event) in WorkEvent.allCases.enumerated() { counts[event] = words.load64(8 * i) }
      return counts
    }
    nonmutating set {
      for (i, event) in WorkEvent.allCases.enumerated() { words.store64(newValue[event], 8 * i) }
    }
  }
}

import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// Counts of work in shared memory: written by a device's process at the end of a slice, read by the driver's after it.
package struct WorkArea: Sendable {
  /// Room for 64 kinds of work.
  package static let byteCount = 512

  private let words: SharedMemory
  private let region: MemoryRegion

  package init(_ buffer: GuestBuffer) {
    precondition(buffer.byteCount >= Self.byteCount && WorkEvent.allCases.count <= Self.byteCount / 8)
    words = SharedMemory(buffer.host, byteCount: buffer.byteCount)
    region = buffer.region
  }

  package var counts: WorkCounts {
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

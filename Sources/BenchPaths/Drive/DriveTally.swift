import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What a load did.
package struct DriveTally: Sendable {
  /// Requests that came back, or frames.
  package var requests = 0
  /// Bytes of data that went to the device and that came from it.
  package var bytesOut = 0
  package var bytesIn = 0
  /// Bytes that were compared.
  package var bytesVerified = 0
  package var flushes = 0
  /// Frames that were sent again, and frames that came more than once.
  package var resends = 0
  package var duplicates = 0
  /// Back-ends that took the place of one that was gone; what was outstanding then and was handed over with the back-end's
  /// notes, and what the driver added again.
  package var reconnects = 0
  package var handedOver = 0
  package var resubmitted = 0
  package var nanoseconds: UInt64 = 0
  /// The device's own name, of a block device.
  package var name: String?
  package var latency: Latency?
  package var work = WorkCounts()
  package var interrupted = false
}

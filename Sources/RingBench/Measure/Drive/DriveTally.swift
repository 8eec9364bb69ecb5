import RingKit

/// What a load did.
struct DriveTally: Sendable {
  /// Requests that came back, or frames.
  var requests = 0
  /// Bytes of data that went to the device and that came from it.
  var bytesOut = 0
  var bytesIn = 0
  /// Bytes that were compared.
  var bytesVerified = 0
  var flushes = 0
  /// Frames that were sent again, and frames that came more than once.
  var resends = 0
  var duplicates = 0
  /// Back-ends that took the place of one that was gone; what was outstanding then and was handed over with the back-end's
  /// notes, and what the driver added again.
  var reconnects = 0
  var handedOver = 0
  var resubmitted = 0
  var nanoseconds: UInt64 = 0
  /// The device's own name, of a block device.
  var name: String?
  var latency: Latency?
  var work = WorkCounts()
  var interrupted = false
}

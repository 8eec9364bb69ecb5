/// What `ringbench vfio` runs.
struct VFIOParameters: Encodable, Sendable {
  var device = ""
  var paths = VFIOPath.allCases
  var rings = RingLayout.allCases
  /// Reads of each path on each ring, and as many writes before them with `overwrite`.
  var requests = 1_000
  var blockBytes = 4096
  var depth = 16
  var queueSize = 64
  var overwrite = false
  var fault = true
  var seed: UInt64 = 1
}

import RingKit
import VhostUser

/// What `ringbench drive` was asked for, checked.
struct DriveParameters: Encodable, Sendable {
  var device = DrivenDevice.block
  var socket = ""
  /// Whether the back-end connects to us.
  var listens = false
  var requests = 100_000
  var bytes = 4096
  var depth = 64
  var queueSize = 256
  var layout = RingLayout.split
  var features: [RingFeature] = []
  var path = DMAPath.direct
  /// Whether the device is told of each mapping before it can ask.
  var announces = false
  var verifies = false
  /// Whether a back-end that goes is replaced by the next one at the socket.
  var reconnects = false
  var timeoutMilliseconds = 10_000

  private enum CodingKeys: String, CodingKey {
    case device, socket, requests, depth, queueSize, layout, features, path
    case announces = "announce"
    case listens = "listen"
    case bytes = "size"
    case verifies = "verify"
    case reconnects = "reconnect"
    case timeoutMilliseconds = "timeoutMs"
  }

  /// Whether the device sees addresses that an IOMMU translates.
  var isTranslated: Bool { [.iommuStrict, .iommuLazy, .premapped].contains(path) }

  /// What the device must offer: all of it, or the run would be about something else than what was asked for.
  var requiredFeatures: VirtioFeatures {
    var bits = features.reduce(VirtioFeatures.version1) { $0.union($1.bits) }
    if layout == .packed { bits.insert(.packedRing) }
    if isTranslated { bits.insert(.accessPlatform) }
    return bits
  }

  /// Descriptors of the ring that one request takes.
  var descriptorsPerRequest: Int {
    if features.contains(.indirect) { return 1 }
    return device == .block ? 3 : 1
  }

  /// Segments of the longest request.
  var segments: Int { device == .block ? 3 : 2 }
}

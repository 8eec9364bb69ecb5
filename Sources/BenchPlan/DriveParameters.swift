import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What `ringbench drive` was asked for, checked.
package struct DriveParameters: Encodable, Sendable {
  package var device = DrivenDevice.block
  package var socket = ""
  /// Whether the back-end connects to us.
  package var listens = false
  package var requests = 100_000
  package var bytes = 4096
  package var depth = 64
  package var queueSize = 256
  package var layout = RingLayout.split
  package var features: [RingFeature] = []
  package var path = DMAPath.direct
  /// Whether the device is told of each mapping before it can ask.
  package var announces = false
  package var verifies = false
  /// Whether a back-end that goes is replaced by the next one at the socket.
  package var reconnects = false
  package var timeoutMilliseconds = 10_000

  package init() {}

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
  package var isTranslated: Bool { [.iommuStrict, .iommuLazy, .premapped].contains(path) }

  /// What the device must offer: all of it, or the run would be about something else than what was asked for.
  package var requiredFeatures: VirtioFeatures {
    var bits = features.reduce(VirtioFeatures.version1) { $0.union($1.bits) }
    if layout == .packed { bits.insert(.packedRing) }
    if isTranslated { bits.insert(.accessPlatform) }
    return bits
  }

  /// Descriptors of the ring that one request takes.
  package var descriptorsPerRequest: Int {
    if features.contains(.indirect) { return 1 }
    return segments == 3 ? 3 : 1
  }

  /// Segments of the longest request.
  package var segments: Int {
    switch device {
    case .block: 3
    case .net: 2
    case .entropy: 1
    }
  }
}

/// What kind of device stands at the other end of a socket.
package enum DrivenDevice: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// virtio-blk.
  case block = "blk"
  /// virtio-net that sends back what it is sent.
  case net
  /// virtio-rng.
  case entropy = "rng"

  package static let noun = "device"

  /// Virtqueues that are used: requests, or receive and transmit.
  package var queueCount: Int { self == .net ? 2 : 1 }

  /// The kind that the specification numbers.
  package var kind: DeviceKind {
    switch self {
    case .block: .block
    case .net: .network
    case .entropy: .entropy
    }
  }
}

import BenchHarness
import RingIOMMU
import RingKit

/// What kind of device stands at the other end of a socket.
package enum DrivenDevice: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// virtio-blk.
  case block = "blk"
  /// virtio-net that sends back what it is sent.
  case net

  package static let noun = "device"

  /// Virtqueues that are used: requests, or receive and transmit.
  package var queueCount: Int { self == .block ? 1 : 2 }
}

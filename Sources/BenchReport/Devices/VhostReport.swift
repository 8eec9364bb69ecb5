import BenchHarness
import RingKit
import VhostUser

/// What was agreed on with one front-end, and what happened until it went.
package struct VhostReport: Encodable {
  package let features: [String]
  package let featureBits: String
  package let protocolFeatures: [String]
  package let messages: UInt64
  package let starts: UInt64
  package let buffers: UInt64
  package let did: [String: UInt64]
  package let iotlbMisses: UInt64
  package let iotlbUpdates: UInt64
  package let iotlbInvalidations: UInt64
  package let iotlbHits: UInt64
  package let notifications: UInt64
  package let notificationsSuppressed: UInt64
  package let error: String?

  package init<Device>(
    _ backend: VhostUserBackend<Device>, did: [(String, UInt64)], failure: VhostUserError?
  ) where Device: VhostUserDevice {
    let counts = backend.counts
    features = Self.names(backend.features.description)
    featureBits = "0x" + String(backend.features.rawValue, radix: 16)
    protocolFeatures = Self.names(backend.protocolFeatures.description)
    messages = counts.messages
    starts = counts.starts
    buffers = counts.completed
    self.did = Dictionary(uniqueKeysWithValues: did)
    iotlbMisses = counts.misses
    iotlbUpdates = counts.updates
    iotlbInvalidations = counts.invalidations
    iotlbHits = counts.work[.iotlbHits]
    notifications = counts.work[.notifications]
    notificationsSuppressed = counts.work[.notificationsSuppressed]
    error = failure == nil || failure == .closed ? nil : failure?.description
  }

  // The names of single bits have no blank in them, but those of bits without a name ("bit 9") do.
  private static func names(_ description: String) -> [String] {
    var names: [String] = []
    for word in description.split(separator: " ").map(String.init) where word != "none" {
      if names.last == "bit" { names[names.count - 1] = "bit \(word)" } else { names.append(word) }
    }
    return names
  }

  package var text: String {
    let tally = did.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    return """
      features: \(features.joined(separator: " "))
      protocol: \(protocolFeatures.joined(separator: " "))
      \(messages) messages, \(starts) queue starts, \(buffers) buffers (\(tally))
      IOTLB: \(iotlbMisses) misses, \(iotlbUpdates) updates, \(iotlbInvalidations) invalidations, \(iotlbHits) hits
      notifications: \(notifications) sent, \(notificationsSuppressed) suppressed

      """
  }
}

extension VhostUserError {
  /// The sentence, with the C library's words for an error number.
  package var text: String {
    if case .system(let operation, let errno) = self { return "\(operation): \(Errno.text(errno))" }
    return description
  }
}

import BenchDocument
import BenchHarness
import RingKit
import RingPlatform
import VhostUser

/// What was agreed on with one front-end, and what happened until it went.
package struct VhostReport: Encodable {
  private let features: [String]
  private let featureBits: String
  private let protocolFeatures: [String]
  private let messages: UInt64
  private let starts: UInt64
  private let buffers: UInt64
  private var did: [String: UInt64] = [:]
  private let iotlbMisses: UInt64
  private let iotlbUpdates: UInt64
  private let iotlbInvalidations: UInt64
  private let iotlbHits: UInt64
  private let notifications: UInt64
  private let notificationsSuppressed: UInt64
  private let error: String?

  package init<Device>(
    _ backend: VhostUserBackend<Device>, _ kind: DeviceKind, did: [(String, UInt64)], failure: VhostUserError?
  ) where Device: VhostUserDevice {
    let (counts, work) = (backend.counts, backend.counts.work)
    // Bit 30 says no more than the line below.
    let agreed = VirtioFeatures(rawValue: backend.features.rawValue & ~(1 << 30))
    features = Self.names(kind.featureNames(agreed))
    featureBits = "0x" + String(backend.features.rawValue, radix: 16)
    protocolFeatures = Self.names(backend.protocolFeatures.description)
    (messages, starts, buffers) = (counts.messages, counts.starts, counts.completed)
    (iotlbMisses, iotlbUpdates, iotlbInvalidations) = (counts.misses, counts.updates, counts.invalidations)
    (iotlbHits, notifications) = (work[.iotlbHits], work[.notifications])
    notificationsSuppressed = work[.notificationsSuppressed]
    error = failure == nil || failure == .closed ? nil : failure?.description
    for (name, count) in did { self.did[name] = count }
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
    let tally = did.keys.sorted().map { "\(did[$0] ?? 0) \($0)" }.joined(separator: ", ")
    return """
      features: \(features.joined(separator: " "))
      protocol: \(protocolFeatures.joined(separator: " "))
      \(messages) messages, \(starts) queue starts, \(buffers) buffers (\(tally))
      IOTLB: \(iotlbMisses) misses, \(iotlbUpdates) updates, \(iotlbInvalidations) invalidations, \(iotlbHits) hits
      notifications: \(notifications) sent, \(notificationsSuppressed) suppressed

      """
  }
}

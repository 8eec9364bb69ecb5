import BenchHarness
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform

/// One point of the ring sweep.
package struct RingPoint: Hashable, Sendable {
  package var ring: RingLayout
  package var inOrder: Bool
  package var batch: Int
  package var queueSize: Int
  package var outstanding: Int
  package var chain: Int
  package var indirect: Bool
  package var eventIndex: Bool
  package var notification: NotificationMode

  package init(
    ring: RingLayout, inOrder: Bool, batch: Int, queueSize: Int, outstanding: Int, chain: Int, indirect: Bool,
    eventIndex: Bool, notification: NotificationMode
  ) {
    self.ring = ring
    self.inOrder = inOrder
    self.batch = batch
    self.queueSize = queueSize
    self.outstanding = outstanding
    self.chain = chain
    self.indirect = indirect
    self.eventIndex = eventIndex
    self.notification = notification
  }

  package var features: VirtioFeatures {
    var features: VirtioFeatures = .version1
    if ring == .packed { features.insert(.packedRing) }
    if inOrder { features.insert(.inOrder) }
    if indirect { features.insert(.indirectDescriptors) }
    if eventIndex { features.insert(.eventIndex) }
    return features
  }

  /// For an error message.
  package var label: String {
    "\(ring.name)\(inOrder ? " in-order" : ""), batch \(batch), queue \(queueSize), \(outstanding) outstanding"
  }

  /// Descriptors of the ring that one buffer takes.
  package var descriptorsPerBuffer: Int { indirect ? 1 : chain }

  /// Whether the ring can hold it: a batch must fit into what is outstanding, and that into the ring.
  package var isPossible: Bool {
    batch <= outstanding && outstanding * descriptorsPerBuffer <= queueSize && (!indirect || chain > 1)
      && (ring == .packed || queueSize & (queueSize - 1) == 0)
  }
}

/// Which of the two layouts a ring has.
package enum RingLayout: String, CaseIterable, Codable, Sendable, NamedChoice {
  case split
  case packed

  package static let noun = "ring"
}

/// The negotiable features a run can ask for; VERSION_1, RING_PACKED and ACCESS_PLATFORM follow from ring and path.
package enum RingFeature: String, CaseIterable, Codable, Sendable, NamedChoice {
  case indirect
  case eventIndex = "event-idx"
  case inOrder = "in-order"
  case orderPlatform = "order-platform"

  package static let noun = "feature"

  var bits: VirtioFeatures {
    switch self {
    case .indirect: .indirectDescriptors
    case .eventIndex: .eventIndex
    case .inOrder: .inOrder
    case .orderPlatform: .orderPlatform
    }
  }
}

/// How the two ends learn of each other's progress.
package enum NotificationMode: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// Both look at the ring all the time.
  case polling
  /// Both sleep on an eventfd when there is nothing to do.
  case eventfd

  package static let noun = "notification"
}

/// A floor program by its name in the results.
package struct FloorKind: Sendable {
  package let name: String
  package let kind: crb_floor_kind
  /// Whether the ring's ratio may be taken against it.
  package let isReference: Bool

  package init(_ name: String, _ kind: crb_floor_kind, isReference: Bool = true) {
    self.name = name
    self.kind = kind
    self.isReference = isReference
  }
}

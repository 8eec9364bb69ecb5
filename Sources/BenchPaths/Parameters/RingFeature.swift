import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// The negotiable features a run can ask for; VERSION_1, RING_PACKED and ACCESS_PLATFORM follow from ring and path.
package enum RingFeature: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case indirect
  case eventIndex = "event-idx"
  case inOrder = "in-order"
  case orderPlatform = "order-platform"

  package static let noun = "feature"

  package var bits: VirtioFeatures {
    switch self {
    case .indirect: .indirectDescriptors
    case .eventIndex: .eventIndex
    case .inOrder: .inOrder
    case .orderPlatform: .orderPlatform
    }
  }
}

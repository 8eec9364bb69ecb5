#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform

/// The ring features that a vhost-user device can keep to itself.
enum VhostRingFeature: String, CaseIterable, Sendable, NamedChoice {
  case indirect
  case eventIndex = "event-idx"
  case inOrder = "in-order"
  case packed
  case accessPlatform = "access-platform"

  static let noun = "ring feature"

  var bits: VirtioFeatures {
    switch self {
    case .indirect: .indirectDescriptors
    case .eventIndex: .eventIndex
    case .inOrder: .inOrder
    case .packed: .packedRing
    case .accessPlatform: .accessPlatform
    }
  }
}
#endif

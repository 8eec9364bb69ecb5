import RingKit
import Testing

/// One run against a C peer.
struct PeerCase: Sendable, CustomTestStringConvertible {
  let layout: RingLayout
  let size: Int
  let features: VirtioFeatures
  let batch: Int
  /// Both sides sleep on eventfds when there is nothing to do, instead of polling.
  var sleeps = false

  var testDescription: String {
    let kind = features.isEmpty ? "plain" : "\(features)"
    return "\(layout.rawValue) \(size), \(kind), batches of \(batch)\(sleeps ? ", asleep when idle" : "")"
  }

  private static let featureSets: [VirtioFeatures] = [
    [], [.inOrder], [.eventIndex, .indirectDescriptors], [.inOrder, .eventIndex, .indirectDescriptors],
  ]

  /// Every layout, size and set of features.
  static var polling: [PeerCase] {
    var cases: [PeerCase] = []
    for (layout, sizes) in [(RingLayout.split, [2, 4, 32, 256, 1024]), (.packed, [2, 3, 7, 255, 1000])] {
      for size in sizes {
        for (number, features) in featureSets.enumerated() {
          cases.append(
            PeerCase(layout: layout, size: size, features: features, batch: [1, 4, 16, 64][(number + size) % 4]))
        }
      }
    }
    return cases
  }

  /// Fewer of them, with doorbells: every round trip may be two system calls.
  static var sleeping: [PeerCase] {
    var cases: [PeerCase] = []
    for (layout, sizes) in [(RingLayout.split, [2, 16]), (.packed, [3, 17])] {
      for size in sizes {
        for features in featureSets {
          cases.append(PeerCase(layout: layout, size: size, features: features, batch: 4, sleeps: true))
        }
        // Long enough for the offsets of a packed ring and the indices of a split one to come round many times.
        cases.append(PeerCase(layout: layout, size: size, features: [.eventIndex], batch: 1, sleeps: true))
      }
    }
    return cases
  }
}

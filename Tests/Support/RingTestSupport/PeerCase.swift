internal import Glibc
package import RingKit

/// One run of two threads: against a C peer, or of our two ends against each other.
package struct PeerCase: Sendable, CustomStringConvertible {
  package let layout: RingLayout
  package let size: Int
  package let features: VirtioFeatures
  package let batch: Int
  /// Both sides sleep on eventfds when there is nothing to do, instead of polling.
  package var sleeps = false
  package var path = DMAPath.direct

  package var description: String {
    let kind = features.isEmpty ? "plain" : "\(features)"
    let way = path == .direct ? "" : ", \(path.name)"
    return "\(layout.rawValue) \(size), \(kind), batches of \(batch)\(way)\(sleeps ? ", asleep when idle" : "")"
  }

  private static let featureSets: [VirtioFeatures] = [
    [], [.inOrder], [.eventIndex, .indirectDescriptors], [.inOrder, .eventIndex, .indirectDescriptors],
  ]

  /// Every layout, size and set of features.
  package static var polling: [PeerCase] {
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
  package static var sleeping: [PeerCase] {
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

  /// Both ends ours, over several paths.
  package static func stress(over paths: [DMAPath]) -> [PeerCase] {
    var cases: [PeerCase] = []
    for (layout, size) in [(RingLayout.split, 64), (.packed, 61)] {
      for features in [[], [.inOrder]] as [VirtioFeatures] {
        for path in paths {
          for batch in path == .direct ? [1, 8, 64] : [8] {
            cases.append(PeerCase(layout: layout, size: size, features: features, batch: batch, path: path))
          }
        }
        guard paths.contains(.direct) else { continue }
        let rich = features.union([.indirectDescriptors, .eventIndex, .orderPlatform])
        cases.append(PeerCase(layout: layout, size: size, features: rich, batch: 8))
      }
    }
    return cases
  }

  /// Both ends ours, asleep whenever there is nothing to do.
  package static var doorbells: [PeerCase] {
    var cases: [PeerCase] = []
    for (layout, sizes) in [(RingLayout.split, [1, 8]), (.packed, [1, 7])] {
      for size in sizes {
        for features in [[], [.eventIndex], [.eventIndex, .inOrder]] as [VirtioFeatures] {
          for batch in [1, 3] {
            cases.append(PeerCase(layout: layout, size: size, features: features, batch: batch, sleeps: true))
          }
        }
      }
    }
    return cases
  }
}

/// What the environment asks of the suites.
package enum Environment {
  /// Buffers that the long suites exchange in all: RINGKIT_BUFFERS, or `standard`.
  package static func buffers(standard: Int) -> Int {
    guard let text = unsafe getenv("RINGKIT_BUFFERS").map({ unsafe String(cString: $0) }) else { return standard }
    guard let count = Int(text), count > 0 else { preconditionFailure("RINGKIT_BUFFERS is not a number: \(text)") }
    return count
  }
}

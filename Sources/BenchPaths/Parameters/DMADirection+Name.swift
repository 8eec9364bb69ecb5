import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension DMADirection: NamedChoice {
  package static let noun = "direction"

  /// `device-readable` or `device-writable`, on the command line and in every report.
  package var name: String {
    switch self {
    case .deviceReadable: "device-readable"
    case .deviceWritable: "device-writable"
    }
  }
}

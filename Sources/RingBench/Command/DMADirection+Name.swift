import RingKit

extension DMADirection: NamedChoice {
  static let noun = "direction"

  /// `device-readable` or `device-writable`, on the command line and in every report.
  var name: String {
    switch self {
    case .deviceReadable: "device-readable"
    case .deviceWritable: "device-writable"
    }
  }
}

import BenchHarness
import RingKit

extension DMADirection: NamedChoice {
  package static let noun = "direction"

  /// `device-readable` or `device-writable`, on the command line and in every report.
  package var name: String { self == .deviceReadable ? "device-readable" : "device-writable" }
}

extension DMADirection: Encodable {
  /// As its name.
  public func encode(to encoder: any Encoder) throws { try name.encode(to: encoder) }
}

extension PageSizeRequest: NamedChoice, Encodable {
  package static let noun = "page size"
}

import BenchHarness
import RingIOMMU
import RingKit

/// What an exit of the path `viommu` costs.
package enum ViommuPrice: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// A request to another process and its reply.
  case process
  /// A time that was given.
  case injected

  package static let noun = "price of viommu"
}

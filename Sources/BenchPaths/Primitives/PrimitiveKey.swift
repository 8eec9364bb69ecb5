import BenchHarness
import RingIOMMU
import RingKit

/// One thing that is timed without a ring.
package struct PrimitiveKey: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// A map and an unmap of a path, the device's thread serving.
    case mapping(DMAPath)
    /// A copy into the bounce pool, walked round as its cursor does.
    case copyToPool
    /// A copy into a place of its own for each buffer outstanding.
    case copyInPlace
  }

  package var kind: Kind
  package var bytes: Int

  /// The path it is a part of; `nil` for a copy.
  package var path: DMAPath? {
    guard case .mapping(let path) = kind else { return nil }
    return path
  }

  /// As the reports name it.
  package var name: String {
    switch kind {
    case .mapping(let path): "map and unmap, \(path.name)"
    case .copyToPool: "copy into the pool"
    case .copyInPlace: "copy in place"
    }
  }
}

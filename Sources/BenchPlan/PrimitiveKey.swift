import BenchHarness

/// One thing that is timed without a ring.
package struct PrimitiveKey: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// A map and an unmap of a path, the device's thread serving.
    case mapping(DMAPath)
    /// A copy into the bounce pool, walked round as its cursor does.
    case copyToPool
    /// A copy to an address of its own for each buffer outstanding.
    case copyInPlace
  }

  package var kind: Kind
  package var bytes: Int

  package init(kind: Kind, bytes: Int) { (self.kind, self.bytes) = (kind, bytes) }

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

/// One short run of real threads at a lock.
package struct LockSample: Equatable, Sendable {
  /// Of all threads together.
  package let operationsPerSecond: Double
  /// Nanoseconds of a cache line from CPU to CPU around the run; 0 for one thread.
  package let transfer: Double

  package init(operationsPerSecond: Double, transfer: Double) {
    (self.operationsPerSecond, self.transfer) = (operationsPerSecond, transfer)
  }
}

/// What turns the address in a descriptor into memory: one DMA path, device's side.
///
/// A translator is a value owned by the device's thread, inside one device queue, which is generic over it. What it
/// returns is checked: inside memory the device can see, and permitted for the access.
public protocol DMATranslator: ~Copyable {
  /// Whether work is counted.
  associatedtype Counter: WorkCounter

  /// What this translator and the queue around it did.
  var work: Counter { get set }

  /// Where the first bytes of a range are, and how many of them are contiguous here.
  ///
  /// - Parameters:
  ///   - address: the first byte's address, as the driver wrote it: any value.
  ///   - byteCount: bytes wanted, at least 1. A caller whose range is longer than what comes back asks again for the
  ///     rest.
  ///   - access: what the device is about to do.
  /// - Returns: the host address and a count between 1 and `byteCount`.
  /// - Throws: ``DMAFault``.
  mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64)

  /// Serves what the driver asked of the device's IOMMU since the last call; cheap when that is nothing.
  mutating func service()
}

extension DMATranslator where Self: ~Copyable {
  /// There is no IOMMU to serve.
  @inlinable @inline(__always)
  public mutating func service() {}
}

public import RingKit

/// A DMA path behind an IOMMU that tells the device of each mapping before the buffer is made available.
///
/// For a device that drops a buffer whose translation it would have to ask for, as rte_vhost does when it takes frames out of
/// a packed ring. Each map then waits for the device, as each does behind an IOMMU in caching mode. Owned by the thread of
/// the front-end.
public struct AnnouncingMapper<Base: DMAMapper & ~Copyable>: DMAMapper, ~Copyable {
  /// As the path has them.
  public typealias Mapping = Base.Mapping
  /// As the path has it.
  public typealias Counter = Base.Counter

  private var base: Base
  private let frontend: VhostUserFrontend?

  /// A path whose mappings are announced through `frontend`; to nobody where that is `nil`.
  public init(_ base: consuming Base, to frontend: VhostUserFrontend?) {
    self.base = base
    self.frontend = frontend
  }

  /// The path's.
  public var work: Counter {
    get { base.work }
    set { base.work = newValue }
  }

  /// The path's.
  public static var unmapped: Mapping { Base.unmapped }

  /// Maps, and returns when the device knows.
  ///
  /// - Throws: ``DMAError``; among it ``DMAError/deviceUnreachable`` when the session is over.
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    let mapped = try base.map(segment, direction)
    if let frontend, !frontend.announce(mapped.address, byteCount: UInt64(segment.length)) {
      try base.unmap(mapped.mapping, direction)
      throw .deviceUnreachable
    }
    return mapped
  }

  /// The path's.
  public mutating func unmap(_ mapping: Mapping, _ direction: DMADirection) throws(DMAError) {
    try base.unmap(mapping, direction)
  }

  /// The path's.
  public mutating func unmap(
    _ mapping: Mapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    try base.unmap(mapping, direction, written: written)
  }

  /// The path's.
  public mutating func poll() throws(DMAError) { try base.poll() }

  /// The path's.
  public mutating func flush() throws(DMAError) { try base.flush() }
}

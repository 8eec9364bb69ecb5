// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// What an emulated IOMMU's driver pays for telling the VMM that it changed a mapping.
///
/// Owned by one thread, inside one ``ViommuMapper``. Either a real request to another process (``ViommuClient``) or a
/// time that was given (``InjectedExit``).
public protocol ViommuExit {
  /// Tells of new entries, and returns when the VMM knows them.
  ///
  /// - Throws: ``ViommuFailure``; after ``ViommuFailure/refused(_:)`` the VMM knows none of them.
  mutating func mapped(
    _ address: IOVA, to target: GuestPhysicalAddress, pages: UInt64, _ direction: DMADirection
  ) throws(ViommuFailure)

  /// Tells of cleared entries, and returns when the VMM has forgotten them.
  mutating func unmapped(_ address: IOVA, pages: UInt64) throws(ViommuFailure)
}

/// An exit to the VMM whose price was given: the calling thread is busy for that long.
///
/// What a figure holds of it was not measured. The device's misses are not priced: it walks the page table itself.
@frozen
public struct InjectedExit: ViommuExit, Sendable {
  @usableFromInline let cycles: UInt64

  /// An exit of that many nanoseconds, at most a second.
  public init(nanoseconds: UInt64) {
    precondition(nanoseconds <= 1_000_000_000, "an exit takes at most a second")
    cycles = nanoseconds == 0 ? 0 : max(nanoseconds &* (cring_cycles_per_second() / 1000) / 1_000_000, 1)
  }

  /// Is busy.
  @inlinable @inline(__always)
  public mutating func mapped(
    _ address: IOVA, to target: GuestPhysicalAddress, pages: UInt64, _ direction: DMADirection
  ) throws(ViommuFailure) { spend() }

  /// Is busy.
  @inlinable @inline(__always)
  public mutating func unmapped(_ address: IOVA, pages: UInt64) throws(ViommuFailure) { spend() }

  @inlinable @inline(__always)
  func spend() {
    if cycles == 0 { return }
    let start = cring_cycles()
    while cring_cycles() &- start < cycles { cring_spin_hint() }
  }
}

public import RingKit

/// One 64-bit page-table entry, in the layout of VT-d's second level.
///
/// Bit 0: the device may read. Bit 1: it may write. Bit 7: a leaf above the lowest level. Bits 12 to 51: the
/// guest-physical address of what is mapped, or where the next table lies in this process (in a table that another process
/// reads too: how far behind the root). Neither permission: empty. An entry that leads to a table has both permissions.
@frozen
@usableFromInline
struct PageTableEntry: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline var bits: UInt64

  @inlinable @inline(__always)
  init(bits: UInt64) { self.bits = bits }

  /// The permission bits.
  @inlinable
  static var permissionMask: UInt64 { 3 }
  /// A leaf of 2 MiB or 1 GiB.
  @inlinable
  static var largeBit: UInt64 { 1 << 7 }
  /// The address bits.
  @inlinable
  static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }

  /// What an access in this direction needs (Linux: DMA_TO_DEVICE maps IOMMU_READ, DMA_FROM_DEVICE IOMMU_WRITE).
  @inlinable @inline(__always)
  static func permission(for direction: DMADirection) -> UInt64 { direction == .deviceReadable ? 1 : 2 }

  @inlinable @inline(__always)
  var isPresent: Bool { bits & Self.permissionMask != 0 }

  @inlinable @inline(__always)
  var isLarge: Bool { bits & Self.largeBit != 0 }

  /// Leads to another table; for levels above the lowest.
  @inlinable @inline(__always)
  var isTable: Bool { bits & (Self.largeBit | 1) == 1 }

  @inlinable @inline(__always)
  var address: UInt64 { bits & Self.addressMask }
}

/// The IOMMU's granule, 4 KiB, and sums with it.
@frozen
@usableFromInline
package enum IOMMUPage {
  /// log2 of the granule.
  @inlinable
  package static var shift: UInt64 { 12 }

  /// Bytes of the granule.
  @inlinable
  package static var size: UInt64 { 4096 }

  /// The bits of an address inside its page.
  @inlinable
  package static var offsetMask: UInt64 { 4095 }

  /// Pages that `length` bytes at `address` touch.
  ///
  /// Neither sum can overflow for a range inside guest memory.
  @inlinable @inline(__always)
  package static func count(of length: UInt64, at address: UInt64) -> UInt64 {
    ((address & offsetMask) &+ length &+ offsetMask) >> shift
  }
}

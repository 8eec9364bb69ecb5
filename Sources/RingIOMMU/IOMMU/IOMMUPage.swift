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

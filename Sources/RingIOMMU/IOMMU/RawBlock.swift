internal import CRing

/// Zeroed memory in whole cache-line pairs, for state that several threads share behind a raw pointer.
///
/// An owner that is a class would be retained and released on every use of the hot path; a holder of a pointer into a
/// block holds the owner too, and touches the owner only to keep it alive.
enum RawBlock {
  /// Memory for `byteCount` bytes, or `nil` when there is none.
  static func tryAllocate(_ byteCount: Int, alignment: Int = Int(CRING_ISOLATION_BYTES)) -> UnsafeMutableRawPointer? {
    var block: UnsafeMutableRawPointer?
    return unsafe cring_allocate_aligned(byteCount, alignment, &block) == 0 ? block : nil
  }

  /// Memory for `byteCount` bytes; without it nothing can be set up.
  static func allocate(_ byteCount: Int, alignment: Int = Int(CRING_ISOLATION_BYTES)) -> UnsafeMutableRawPointer {
    guard let block = unsafe tryAllocate(byteCount, alignment: alignment) else {
      preconditionFailure("no memory for \(byteCount) bytes of IOMMU state")
    }
    return unsafe block
  }

  /// Gives a block back.
  static func free(_ block: UnsafeMutableRawPointer) { unsafe cring_free_aligned(block) }
}

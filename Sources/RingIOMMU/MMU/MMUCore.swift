// Public, because inlinable code may name only what its callers can see.
public import CRing

/// The parts of a window as its hot paths hold them: pointers and numbers, nothing counted.
///
/// Whoever holds one holds the ``MMUWindow`` too.
@frozen @safe
@usableFromInline
struct MMUCore: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let pageCount: UInt64
  @usableFromInline let allocator: IOVAAllocator
  // 32 bits a page: what it lets through, 0 where nothing is shown.
  @usableFromInline let permissions: UnsafeMutableRawPointer

  init(_ base: UnsafeMutableRawPointer, pages: UInt64, cpuCount: Int) {
    unsafe self.base = unsafe base
    pageCount = pages
    // Never gives out page 0, so that no buffer has the address 0.
    allocator = IOVAAllocator(cpuCount: cpuCount, limit: pages)
    unsafe permissions = RawBlock.allocate(Int(pages) * 4)
  }

  func deallocate() {
    allocator.deallocate()
    unsafe RawBlock.free(permissions)
  }

  @inlinable @inline(__always)
  func permission(_ page: UInt64) -> UInt64 {
    if page >= pageCount { return 0 }
    // Pairs with the release in `setPermission`: who sees a page open finds it shown.
    // SAFETY: page < pageCount, and that many words were allocated.
    return unsafe UInt64(cring_load_acquire_32(permissions + Int(page) &* 4))
  }

  func setPermission(_ page: UInt64, pages: UInt64, _ value: UInt64) {
    for at in page..<(page + pages) {
      // SAFETY: the allocator gives out pages below pageCount alone.
      unsafe cring_store_release_32(permissions + Int(at) * 4, UInt32(value))
    }
  }

  func host(_ page: UInt64) -> UnsafeMutableRawPointer { unsafe base + Int(page << IOMMUPage.shift) }
}

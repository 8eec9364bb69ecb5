internal import CRing

extension IOVAAllocator {
  /// Takes the range that starts at `page`, as if an allocation of `pages` pages had returned it.
  ///
  /// - Returns: false when an allocation never would have, or something there is in use, be it in a cache.
  func reserve(_ page: UInt64, pages: UInt64) -> Bool {
    guard pages > 0, pages <= 1 << 36 else { return false }
    let rounded: UInt64 = 1 << UInt64(Self.order(of: pages))
    guard page & (rounded - 1) == 0 else { return false }
    unsafe cring_lock(treeLock)
    defer { unsafe cring_unlock(treeLock) }
    return unsafe tree.assumingMemoryBound(to: IOVATree.self).pointee.reserve(
      page, size: pages <= Self.largestCached ? rounded : pages)
  }
}

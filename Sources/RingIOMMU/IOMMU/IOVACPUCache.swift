/// One CPU's two magazines of one size class (Linux's `iova_cpu_rcache`).
///
/// In a cache line of its own, behind the lock that guards it.
@frozen @safe
@usableFromInline
struct IOVACPUCache {
  /// Bytes from one line to the next.
  @inlinable
  static var stride: Int { 64 }
  /// Where in the line it lies.
  ///
  /// The lock is not a part of it, for a call on it accesses all of it.
  @inlinable
  static var offset: Int { 16 }

  @usableFromInline var loaded: IOVAMagazine
  @usableFromInline var previous: IOVAMagazine

  /// A cached range, or 0: page 0 is never handed out.
  @inlinable @inline(__always)
  mutating func take() -> UInt64 {
    if loaded.count == 0 {
      if previous.count == 0 { return 0 }
      swap(&loaded, &previous)
    }
    return loaded.pop()
  }

  /// Keeps a range, unless both magazines are full.
  @inlinable @inline(__always)
  mutating func keep(_ page: UInt64) -> Bool {
    if loaded.isFull {
      if previous.isFull { return false }
      swap(&loaded, &previous)
    }
    loaded.push(page)
    return true
  }
}

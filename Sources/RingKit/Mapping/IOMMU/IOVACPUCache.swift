/// One CPU's two magazines of one size class, and their lock: a cache line (Linux's `iova_cpu_rcache`).
@frozen @safe
@usableFromInline
struct IOVACPUCache {
  /// Bytes from one to the next.
  @inlinable
  static var stride: Int { 64 }

  // First, so that the cache's address is the lock's.
  @usableFromInline var lock: UInt32
  @usableFromInline var loaded: IOVAMagazine
  @usableFromInline var previous: IOVAMagazine

  init(loaded: IOVAMagazine, previous: IOVAMagazine) {
    lock = 0
    self.loaded = loaded
    self.previous = previous
  }

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

// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// Hands out ranges of IOVAs: magazines per CPU, a depot of full ones, and a tree behind them (Linux: drivers/iommu/iova.c).
///
/// Six size classes, 1 to 32 pages, are cached: per CPU and class two magazines of 127 ranges under a lock, per class a
/// depot of full magazines under a lock, then the tree under one lock for all. Larger ranges always go to the tree. A
/// range starts at a multiple of its size, rounded up to a power of two; the highest free one is taken. A failure
/// empties every cache into the tree and tries once more.
///
/// A handle: copies share the state, and the ``IOMMUDomain`` that made it frees it. Any thread may call; the CPU number
/// is the caller's claim, and a wrong one costs contention, not correctness.
@frozen @safe
@usableFromInline
package struct IOVAAllocator: @unchecked Sendable {
  /// Size classes that are cached, by log2 of the pages (Linux: IOVA_RANGE_CACHE_MAX_SIZE).
  @inlinable
  static var classCount: Int { 6 }
  /// Largest range that is cached, in pages: 128 KiB.
  @inlinable
  static var largestCached: UInt64 { 32 }
  /// Between two looks at the depots, in nanoseconds (Linux: IOVA_DEPOT_DELAY).
  static let trimInterval: UInt64 = 100_000_000

  // cpuCount × classCount caches, 64 bytes apart.
  @usableFromInline let caches: UnsafeMutableRawPointer
  // classCount depots, 64 bytes apart; then when to trim them next (0: nothing to trim), in a line of its own.
  @usableFromInline let depots: UnsafeMutableRawPointer
  @usableFromInline let treeLock: UnsafeMutableRawPointer
  @usableFromInline let tree: UnsafeMutableRawPointer
  @usableFromInline let cpuCount: Int

  /// The class of a range: log2 of its pages, rounded up.
  @inlinable @inline(__always)
  static func order(of pages: UInt64) -> Int { 64 &- (pages &- 1).leadingZeroBitCount }

  /// The lock of a CPU's cache, at the start of its line.
  @inlinable @inline(__always)
  func cacheLock(_ cpu: Int, _ order: Int) -> UnsafeMutableRawPointer {
    assert(cpu >= 0 && cpu < cpuCount && order < Self.classCount)
    // SAFETY: the block holds cpuCount × classCount caches.
    return unsafe caches + (cpu &* Self.classCount &+ order) &* IOVACPUCache.stride
  }

  /// Takes a lock whose count of waits stands 8 bytes behind it, as with all locks here.
  @inlinable @inline(__always)
  static func take(_ lock: UnsafeMutableRawPointer) {
    unsafe cring_lock_counting(lock, (lock + waitsOffset).assumingMemoryBound(to: UInt64.self))
  }

  @inlinable
  static var waitsOffset: Int { 8 }

  @inlinable @inline(__always)
  static func cache(behind lock: UnsafeMutableRawPointer) -> UnsafeMutablePointer<IOVACPUCache> {
    unsafe (lock + IOVACPUCache.offset).assumingMemoryBound(to: IOVACPUCache.self)
  }

  @inlinable @inline(__always)
  var trimDeadline: UnsafeMutableRawPointer { unsafe depots + Self.classCount &* 64 }

  /// Takes a range of `pages` 4 KiB pages.
  ///
  /// - Returns: its first page.
  /// - Throws: ``DMAError/iovaExhausted(pages:)``.
  @inlinable @inline(__always)
  package func allocate<Counter: WorkCounter>(
    pages: UInt64, cpu: Int, counter: inout Counter
  ) throws(DMAError) -> UInt64 {
    if pages <= Self.largestCached {
      let lock = unsafe cacheLock(cpu, Self.order(of: pages))
      unsafe Self.take(lock)
      let page = unsafe Self.cache(behind: lock).pointee.take()
      unsafe cring_unlock(lock)
      if page != 0 {
        counter.add(.iovaFromMagazine, 1)
        return page
      }
    }
    let (page, source) = refill(pages: pages, cpu: cpu)
    if page == 0 { throw .iovaExhausted(pages: Int(truncatingIfNeeded: pages)) }
    counter.add(source.event, 1)
    return page
  }

  /// Gives back a range of `pages` pages that starts at `page`; it goes to the caches of the CPU that frees.
  @inlinable @inline(__always)
  package func free(_ page: UInt64, pages: UInt64, cpu: Int) {
    if pages <= Self.largestCached {
      let lock = unsafe cacheLock(cpu, Self.order(of: pages))
      unsafe Self.take(lock)
      let kept = unsafe Self.cache(behind: lock).pointee.keep(page)
      unsafe cring_unlock(lock)
      if kept { return }
    }
    freeBeyondCache(page, pages: pages, cpu: cpu)
  }

  /// Whether ``trim(now:)`` may have something to do.
  @inlinable @inline(__always)
  package var mayTrim: Bool { unsafe cring_load_relaxed_64(trimDeadline) != 0 }
}

/// Where an IOVA range came from.
@frozen
@usableFromInline
enum IOVASource: UInt8, Sendable {
  /// One of the CPU's two magazines.
  case magazine
  /// A full magazine out of the depot.
  case depot
  /// A search of the tree.
  case tree

  /// The counter it belongs to.
  @inlinable
  var event: WorkEvent {
    switch self {
    case .magazine: .iovaFromMagazine
    case .depot: .iovaFromDepot
    case .tree: .iovaFromTree
    }
  }
}

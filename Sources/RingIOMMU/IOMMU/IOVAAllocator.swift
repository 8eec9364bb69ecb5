// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// Hands out ranges of IOVAs: magazines per CPU, a depot of full ones, and a tree behind them (Linux:
/// drivers/iommu/iova.c).
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

/// A stack of 127 freed IOVA ranges of one size class: one KiB, as in Linux (drivers/iommu/iova.c, `iova_magazine`).
///
/// A handle: copies share the stack. Guarded by the lock of the CPU cache or of the depot that holds it. In a depot the
/// first word links to the next magazine, for every magazine there is full.
@frozen @safe
@usableFromInline
struct IOVAMagazine: BitwiseCopyable {
  /// Ranges a magazine holds.
  @inlinable
  static var capacity: UInt64 { 127 }

  // Word 0: how many ranges, or the link; words 1...127: their first pages.
  @usableFromInline let words: UnsafeMutablePointer<UInt64>

  init(words: UnsafeMutablePointer<UInt64>) { unsafe self.words = unsafe words }

  /// An empty magazine, or `nil` without memory for one.
  static func make() -> IOVAMagazine? {
    let count = Int(capacity) + 1
    guard let block = unsafe RawBlock.tryAllocate(count * 8) else { return nil }
    return unsafe IOVAMagazine(words: block.bindMemory(to: UInt64.self, capacity: count))
  }

  /// Gives its memory back, not the ranges in it.
  func deallocate() { unsafe RawBlock.free(words) }

  @inlinable @inline(__always)
  var count: UInt64 {
    get { unsafe words[0] }
    nonmutating set { unsafe words[0] = newValue }
  }

  @inlinable @inline(__always)
  var isFull: Bool { count == Self.capacity }

  /// The range freed last, which is the likeliest to have its page-table entries in the cache; not when empty.
  @inlinable @inline(__always)
  func pop() -> UInt64 {
    let last = count
    assert(last > 0 && last <= Self.capacity)
    count = last &- 1
    return unsafe words[Int(last)]
  }

  /// Adds a range; not when full.
  @inlinable @inline(__always)
  func push(_ page: UInt64) {
    let next = count &+ 1
    assert(next <= Self.capacity)
    count = next
    unsafe words[Int(next)] = page
  }
}

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

/// The full magazines of one size class, for whichever CPU needs one (Linux: `iova_rcache`).
///
/// In a cache line of its own, behind the lock that guards it.
struct IOVADepot {
  /// Bytes from one line to the next.
  static let stride = 64
  /// Where in the line it lies.
  static let offset = 16

  private(set) var count: UInt32 = 0
  // The first magazine's address; each links to the next in its first word.
  private var head: UInt64 = 0

  /// Adds a full magazine.
  mutating func push(_ magazine: IOVAMagazine) {
    assert(magazine.isFull)
    magazine.count = head
    unsafe head = UInt64(UInt(bitPattern: magazine.words))
    count += 1
  }

  /// Takes out the magazine added last.
  mutating func pop() -> IOVAMagazine? {
    // SAFETY: head is 0 or the address of a magazine that push() was given.
    guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(head)) else { return nil }
    let magazine = unsafe IOVAMagazine(words: words)
    head = magazine.count
    magazine.count = IOVAMagazine.capacity
    count -= 1
    return magazine
  }
}

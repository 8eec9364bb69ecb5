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

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

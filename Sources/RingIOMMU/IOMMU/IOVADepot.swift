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

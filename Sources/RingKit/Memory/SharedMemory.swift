// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing

/// Ring memory that another party reads and writes while we do.
///
/// Every access is one atomic load or store of a naturally aligned word, except for indirect tables, which may lie
/// anywhere. Nothing read here can change between check and use, because the caller has only the copy. Offsets are in
/// bytes and are computed from sizes validated at set-up.
@frozen @safe
@usableFromInline
package struct SharedMemory: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let byteCount: Int

  /// A view of `byteCount` bytes at `host`, which the caller keeps mapped.
  @inlinable @unsafe
  package init(_ host: HostAddress, byteCount: Int) {
    unsafe self.base = unsafe host.pointer
    self.byteCount = byteCount
  }

  @inlinable @inline(__always)
  func at(_ offset: Int, size: Int) -> UnsafeMutableRawPointer {
    // Of a ring: a masked or wrapped index behind a part whose size was checked when the ring was made.
    assert(offset >= 0 && offset &+ size <= byteCount && offset % size == 0)
    return unsafe base + offset
  }

  /// Fetches the line at `offset` to be read soon; one that is out of range does no harm.
  @inlinable @inline(__always)
  package func prefetchForReading(_ offset: Int) { unsafe cring_prefetch_read(base + offset) }

  /// Fetches the lines of a range to be written soon, or takes them (`cring_takes_lines`).
  ///
  /// What is behind the end is left out: a line of another's may not be taken.
  @inlinable @inline(__always)
  func prefetchForWriting(_ offset: Int, byteCount count: Int = 1) {
    unsafe cring_prefetch_write(base + offset, base + min(offset &+ count, byteCount))
  }

  /// Takes the line at `offset`, which is written soon and which the other side has read, where that is better than to
  /// wait for it then (`cring_takes_lines`).
  @inlinable @inline(__always)
  func takeLine(_ offset: Int) { unsafe cring_take_line(base + offset) }

  /// Fetches the lines of a range to be read soon.
  @inlinable @inline(__always)
  func prefetchForReading(_ offset: Int, byteCount: Int) {
    var at = offset & ~63
    while at < offset &+ byteCount {
      prefetchForReading(at)
      at &+= 64
    }
  }

  /// Fetches the first two lines to be read soon, or takes the second to be written: in the first one is a header,
  /// which is read and mostly stays as it is.
  @inlinable @inline(__always)
  package func prefetchStart(for access: DMADirection) {
    prefetchForReading(0)
    // The line behind a short buffer is another's.
    if byteCount <= 64 { return }
    if access == .deviceReadable { prefetchForReading(64) } else { takeLine(64) }
  }

  /// One relaxed 8-bit load.
  @inlinable @inline(__always)
  func load8(_ offset: Int) -> UInt8 { unsafe cring_load_relaxed_8(at(offset, size: 1)) }

  /// One relaxed 16-bit load.
  @inlinable @inline(__always)
  package func load16(_ offset: Int) -> UInt16 { unsafe cring_load_relaxed_16(at(offset, size: 2)) }

  /// One relaxed 32-bit load.
  @inlinable @inline(__always)
  package func load32(_ offset: Int) -> UInt32 { unsafe cring_load_relaxed_32(at(offset, size: 4)) }

  /// One relaxed 64-bit load.
  @inlinable @inline(__always)
  package func load64(_ offset: Int) -> UInt64 { unsafe cring_load_relaxed_64(at(offset, size: 8)) }

  /// One 64-bit load, whatever the alignment of the address: the compiler neither repeats it nor leaves it out.
  @inlinable @inline(__always)
  func loadUnaligned64(_ offset: Int) -> UInt64 { unsafe cring_load_unaligned_64(base + offset) }

  /// One 16-bit load that later accesses cannot be moved before.
  @inlinable @inline(__always)
  package func loadAcquire16(_ offset: Int) -> UInt16 { unsafe cring_load_acquire_16(at(offset, size: 2)) }

  /// One 64-bit load that later accesses cannot be moved before.
  @inlinable @inline(__always)
  package func loadAcquire64(_ offset: Int) -> UInt64 { unsafe cring_load_acquire_64(at(offset, size: 8)) }

  /// One relaxed 16-bit store.
  @inlinable @inline(__always)
  package func store16(_ value: UInt16, _ offset: Int) { unsafe cring_store_relaxed_16(at(offset, size: 2), value) }

  /// One relaxed 32-bit store.
  @inlinable @inline(__always)
  package func store32(_ value: UInt32, _ offset: Int) { unsafe cring_store_relaxed_32(at(offset, size: 4), value) }

  /// One relaxed 64-bit store.
  @inlinable @inline(__always)
  package func store64(_ value: UInt64, _ offset: Int) { unsafe cring_store_relaxed_64(at(offset, size: 8), value) }

  /// One 16-bit store that earlier accesses cannot be moved behind.
  @inlinable @inline(__always)
  package func storeRelease16(_ value: UInt16, _ offset: Int) {
    unsafe cring_store_release_16(at(offset, size: 2), value)
  }

  /// Adds to a word that others add to; earlier accesses cannot be moved behind it.
  @inlinable @inline(__always)
  package func addRelease64(_ value: UInt64, _ offset: Int) {
    _ = unsafe cring_fetch_add_release_64(at(offset, size: 8), value)
  }

  /// Sets bits of a byte in which others set and clear bits; earlier accesses cannot be moved behind it.
  @inlinable @inline(__always)
  package func orRelease8(_ bits: UInt8, _ offset: Int) { unsafe cring_or_release_8(at(offset, size: 1), bits) }

  /// One 64-bit store that earlier accesses cannot be moved behind.
  @inlinable @inline(__always)
  package func storeRelease64(_ value: UInt64, _ offset: Int) {
    unsafe cring_store_release_64(at(offset, size: 8), value)
  }
}

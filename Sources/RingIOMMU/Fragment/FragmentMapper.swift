public import RingKit

/// Several segments to one mapping of another path: what they lie in is mapped with the first and unmapped with the
/// last.
///
/// What a driver does that carves its buffers out of page fragments and maps each fragment once (page_frag; the
/// "merged" case of virtio-net's premapped series). Around an IOMMU path it saves maps, entries and invalidations where
/// several buffers of a fragment are outstanding together. The price is protection: while one segment of a fragment is
/// mapped, the device reaches all of the fragment, in that direction. Not around a path that copies: a fragment would
/// be bounced as it was when its first segment was mapped.
///
/// A fragment is an aligned power of two of bytes of guest memory, cut off at the ends of the buffers given. A segment
/// that lies in no buffer, or in two fragments, gets a mapping of its own. A value owned by the driver's thread.
@frozen
public struct FragmentMapper<Base: DMAMapper & ~Copyable>: DrainedMapper, ~Copyable {
  @usableFromInline var base: Base
  @usableFromInline let windows: PrivateTable<FragmentWindow>
  @usableFromInline let records: PrivateTable<FragmentRecord<Base.Mapping>>
  @usableFromInline let shift: UInt64

  /// Merges what goes to another mapper.
  ///
  /// - Parameters:
  ///   - base: the path that maps fragments, and what is in none.
  ///   - buffers: what is cut into fragments; two records each are kept for it.
  ///   - fragmentByteCount: bytes of a fragment: a power of two from 4 KiB to 1 GiB.
  public init(_ base: consuming Base, _ buffers: [GuestBuffer], fragmentByteCount: Int) {
    precondition(
      fragmentByteCount >= 4096 && fragmentByteCount <= 1 << 30
        && fragmentByteCount & (fragmentByteCount - 1) == 0, "a fragment is a power of two from 4 KiB to 1 GiB")
    shift = UInt64(fragmentByteCount.trailingZeroBitCount)
    var cut: [FragmentWindow] = []
    var count = 0
    for buffer in buffers where buffer.byteCount > 0 {
      let first = buffer.address.rawValue >> shift
      let last = (buffer.address.rawValue + UInt64(buffer.byteCount - 1)) >> shift
      cut.append(
        FragmentWindow(
          guestBase: buffer.address.rawValue, byteCount: UInt64(buffer.byteCount), firstFragment: first,
          firstRecord: count))
      count += 2 * Int(last - first + 1)
    }
    windows = PrivateTable(
      count: cut.count, repeating: FragmentWindow(guestBase: 0, byteCount: 0, firstFragment: 0, firstRecord: 0))
    for (i, window) in cut.enumerated() { windows[i] = window }
    records = PrivateTable(
      count: count, repeating: FragmentRecord(users: 0, iova: 0, mapping: Base.unmapped))
    self.base = base
  }

  /// What the path beneath and the queue around it did.
  @inlinable
  public var work: Base.Counter {
    @inline(__always) get { base.work }
    @inline(__always) set { base.work = newValue }
  }

  /// What the path beneath has.
  @inlinable
  public static var isTrusted: Bool { Base.isTrusted }

  /// The value for a slot in which nothing is mapped.
  @inlinable
  public static var unmapped: FragmentMapping<Base.Mapping> { FragmentMapping(own: Base.unmapped, record: -1) }

  /// Finds the segment's fragment mapped, or maps it.
  ///
  /// - Throws: what the path beneath throws; its segment is then the fragment.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: FragmentMapping<Base.Mapping>) {
    let address = segment.address.rawValue
    let length = UInt64(segment.length)
    let fragment = address >> shift
    var i = 0
    while i < windows.count {
      let window = windows[i]
      let offset = address &- window.guestBase
      if offset < window.byteCount && length &- 1 < window.byteCount &- offset
        && (address &+ length &- 1) >> shift == fragment
      {
        let index =
          window.firstRecord &+ Int(truncatingIfNeeded: fragment &- window.firstFragment) &* 2
          &+ Int(direction.rawValue)
        let start = max(fragment << shift, window.guestBase)
        var record = records[index]
        if record.users == 0 {
          let end = min((fragment &+ 1) << shift, window.guestBase &+ window.byteCount)
          let whole = MemorySegment(GuestPhysicalAddress(start), length: UInt32(truncatingIfNeeded: end &- start))
          let (iova, mapping) = try base.mapChecked(whole, direction)
          record = FragmentRecord(users: 0, iova: iova.rawValue, mapping: mapping)
        } else {
          base.work.add(.mergedMaps, 1)
        }
        record.users &+= 1
        records[index] = record
        return (IOVA(record.iova &+ (address &- start)), FragmentMapping(own: record.mapping, record: index))
      }
      i &+= 1
    }
    let (iova, mapping) = try base.mapChecked(segment, direction)
    return (iova, FragmentMapping(own: mapping, record: -1))
  }

  /// Unmaps the fragment when the segment was the last in it.
  ///
  /// - Throws: what the path beneath throws; `DMAError.notMapped(_:)` when no segment of the fragment is mapped.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: FragmentMapping<Base.Mapping>, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let index = mapping.record
    if index < 0 { return try base.unmapChecked(mapping.own, direction, written: written) }
    var record = records[index]
    if record.users == 0 { throw .notMapped(IOVA(record.iova)) }
    record.users &-= 1
    records[index] = record
    if record.users == 0 { try base.unmap(record.mapping, direction) }
    return 0
  }

  /// What the path beneath does.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) { try base.poll() }

  /// What the path beneath does.
  @inlinable
  public mutating func flush() throws(DMAError) { try base.flush() }
}

extension FragmentMapper: PairedPath where Base: PairedPath & ~Copyable {
  /// That of the path beneath.
  public func makeTranslator() -> Base.Translator { base.makeTranslator() }
}

/// What is remembered of a segment that may share a mapping with others.
@frozen
public struct FragmentMapping<Base: BitwiseCopyable>: BitwiseCopyable {
  /// The segment's own mapping, where it has one.
  @usableFromInline let own: Base
  /// Its fragment's record; -1 for a mapping of its own.
  @usableFromInline let record: Int

  @inlinable
  init(own: Base, record: Int) {
    self.own = own
    self.record = record
  }
}

extension FragmentMapping: Sendable where Base: Sendable {}

/// A fragment and a direction: how many segments use its mapping, and where that leads.
@frozen
@usableFromInline
struct FragmentRecord<Mapping: BitwiseCopyable>: BitwiseCopyable {
  @usableFromInline var users: UInt32 = 0
  @usableFromInline var iova: UInt64 = 0
  @usableFromInline var mapping: Mapping

  @inlinable
  init(users: UInt32, iova: UInt64, mapping: Mapping) {
    self.users = users
    self.iova = iova
    self.mapping = mapping
  }
}

/// A buffer that is cut into fragments.
@frozen
@usableFromInline
struct FragmentWindow: BitwiseCopyable {
  @usableFromInline let guestBase: UInt64
  @usableFromInline let byteCount: UInt64
  // The number of the fragment that the buffer starts in, and of its first record.
  @usableFromInline let firstFragment: UInt64
  @usableFromInline let firstRecord: Int
}

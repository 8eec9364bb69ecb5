public import RingKit

/// Translations that a device is told, where it cannot walk a page table: what IOTLB messages of vhost fill and
/// empty.
///
/// Behind the cache that the data path looks into lies every range it was given, so that a buffer of many pages finds
/// all of them although the cache holds each set's four. Of a peer that gives more than ``limit`` ranges all are
/// forgotten, and asked for again. One thread's: the one whose queues translate with it.
public final class DeviceIOTLB {
  /// Ranges that are kept at most.
  public let limit: Int
  /// Ranges in address order; none overlaps another.
  private(set) var ranges: [DeviceIOTLBRange] = []
  let iotlb: IOTLB
  /// Where the last address was found: a chain that waits for one translation after the other looks up all before it
  /// again.
  private var recent = 0

  /// An empty one.
  ///
  /// - Parameters:
  ///   - limit: ranges to keep at most.
  ///   - iotlbSets: sets of four 4 KiB pages, a power of two.
  public init(limit: Int = 65_536, iotlbSets: Int = 64) {
    precondition(limit > 0, "a table of translations holds at least one")
    self.limit = limit
    iotlb = IOTLB(sets: iotlbSets)
  }

  deinit { iotlb.deallocate() }

  /// Ranges that are known.
  public var count: Int { ranges.count }

  /// Enters a range; replaces whatever was known of its addresses.
  ///
  /// What a peer said is checked before: a range that is empty or wraps is a mistake of the caller.
  ///
  /// - Parameters:
  ///   - address: its first address; the last must not be beyond 2^64.
  ///   - byteCount: its size, at least 1.
  ///   - host: where it is here, in memory that stays mapped until it is forgotten.
  ///   - canRead: whether the device may read it.
  ///   - canWrite: whether it may write.
  /// - Returns: whether an access that was possible is no longer so, or leads elsewhere.
  @discardableResult
  public func insert(
    _ address: IOVA, byteCount: UInt64, host: HostAddress, canRead: Bool, canWrite: Bool
  ) -> Bool {
    precondition(byteCount > 0 && address.advanced(by: byteCount - 1) != nil, "a translation of an impossible range")
    let permissions: UInt64 = (canRead ? 1 : 0) | (canWrite ? 2 : 0)
    let at = position(of: address.rawValue)
    let last = address.rawValue + (byteCount - 1)
    if at < ranges.count, ranges[at].first == address.rawValue, ranges[at].last == last,
      ranges[at].permissions == permissions, ranges[at].agrees(address.rawValue, host, permissions)
    {
      return false
    }
    let isContradicted = ranges[at...].prefix { $0.first <= last }.contains {
      !$0.agrees(address.rawValue, host, permissions)
    }
    forget(address, byteCount: byteCount)
    if ranges.count == limit { forgetAll() }
    let range = DeviceIOTLBRange(
      first: address.rawValue, last: last, host: host, permissions: permissions)
    ranges.insert(range, at: position(of: address.rawValue))
    return isContradicted
  }

  /// Forgets every range that has an address in common with this one.
  public func forget(_ address: IOVA, byteCount: UInt64) {
    if byteCount == 0 { return }
    let (sum, overflow) = address.rawValue.addingReportingOverflow(byteCount - 1)
    let last = overflow ? .max : sum
    let start = position(of: address.rawValue)
    var end = start
    while end < ranges.count, ranges[end].first <= last { end += 1 }
    if start == end { return }
    ranges.removeSubrange(start..<end)
    // What the cache holds are pages of those ranges; they are asked for again here, not of the peer.
    iotlb.invalidateAll()
  }

  /// Forgets everything.
  public func forgetAll() {
    ranges.removeAll(keepingCapacity: true)
    iotlb.invalidateAll()
  }

  /// Where an address is and how many bytes from there on, as long as the access is permitted.
  func look(up address: IOVA, for access: DMADirection) -> (host: HostAddress, byteCount: UInt64)? {
    let raw = address.rawValue
    let at = holds(recent, raw) ? recent : holds(recent + 1, raw) ? recent + 1 : position(of: raw)
    guard holds(at, raw) else { return nil }
    recent = at
    let range = ranges[at]
    guard range.permissions & PageTableEntry.permission(for: access) != 0 else { return nil }
    let page = raw & ~IOMMUPage.offsetMask
    let offset = raw - range.first
    if page >= range.first, range.last - page >= IOMMUPage.offsetMask {
      let host = UInt64(range.host.rawValue) &+ (page - range.first)
      if host & IOMMUPage.offsetMask == 0 { iotlb.insert(raw, host | range.permissions) }
    }
    let rest = range.last - raw
    return unsafe (HostAddress(rawValue: range.host.rawValue &+ UInt(offset)), rest == .max ? rest : rest + 1)
  }

  /// Whether there is a range at this index, and the address in it.
  private func holds(_ index: Int, _ address: UInt64) -> Bool {
    index < ranges.count && ranges[index].first <= address && address <= ranges[index].last
  }

  /// The index of the first range that ends at the address or behind it.
  private func position(of address: UInt64) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].last < address { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// One range of addresses that leads to contiguous memory.
struct DeviceIOTLBRange: Sendable {
  /// Its first and its last address.
  let first: UInt64
  let last: UInt64
  /// Where the first is here.
  let host: HostAddress
  /// Bit 0: the device may read.
  ///
  /// Bit 1: it may write.
  let permissions: UInt64

  /// Whether what it says of the addresses it has in common with a range stays true with that.
  func agrees(_ first: UInt64, _ host: HostAddress, _ permissions: UInt64) -> Bool {
    self.permissions & ~permissions == 0 && host.rawValue == self.host.rawValue &+ UInt(first &- self.first)
  }
}

/// The device's side where translations come in messages: what is not known is not waited for.
///
/// A miss is `DMAFault.pending(_:_:)`, which leaves the queue as it was; the owner of the connection asks for the
/// translation and lets the queue try again when it has come. So no thread sleeps between a question and its answer,
/// and the peer can go on to say other things.
@frozen
public struct DeviceIOTLBTranslator<Counter: WorkCounter>: IOTLBTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter
  @usableFromInline let iotlb: IOTLB
  private let known: DeviceIOTLB

  /// A translator over translations that several queues may share, all of one thread.
  public init(_ known: DeviceIOTLB, counter: Counter) {
    self.known = known
    iotlb = known.iotlb
    work = counter
  }

  /// The translator checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// Looks the range up; joins ranges as long as they are contiguous here.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pageHit(address, byteCount, access) { return (host, byteCount) }
    return try search(address, byteCount: byteCount, for: access)
  }

  /// The front-end serves invalidations, through messages.
  @inlinable @inline(__always)
  public mutating func service() {}

  /// The driver is in another process.
  public mutating func shareThread(_ isShared: Bool) {}

  @usableFromInline @inline(never)
  mutating func search(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    do throws(DMAFault) {
      let found = try translateLong(address, byteCount: byteCount, for: access)
      work.add(.iotlbHits, 1)
      return found
    } catch {
      if case .pending = error { work.add(.iotlbMisses, 1) }
      throw error
    }
  }

  /// As much of a range as is known; counted in ``search(_:byteCount:for:)``, once for all that are joined.
  @usableFromInline
  func translatePage(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) { try fill(address, for: access) }

  @usableFromInline
  func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    guard let found = known.look(up: address, for: access) else { throw .pending(address, access) }
    return found
  }
}

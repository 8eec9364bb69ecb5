/// The regions of a guest in the form the hot path reads: guest base, size and host base in a flat array.
///
/// A look-up compares against each region in turn; guests have a handful, and the compare is one subtraction. Owned by
/// a ``GuestMemory``, which must outlive it; any thread may read it.
@frozen @safe
public struct RegionTable: @unchecked Sendable {
  @frozen @usableFromInline
  struct Record: BitwiseCopyable {
    @usableFromInline var guestBase: UInt64
    @usableFromInline var byteCount: UInt64
    @usableFromInline var hostBase: UInt

    @usableFromInline
    init(guestBase: UInt64, byteCount: UInt64, hostBase: UInt) {
      self.guestBase = guestBase
      self.byteCount = byteCount
      self.hostBase = hostBase
    }

    /// Where the range is mapped, if it lies in this region: the offset is compared with the size, then the length with
    /// what is left, so that no sum can overflow.
    @inlinable @inline(__always)
    func translate(_ address: GuestPhysicalAddress, length: UInt64) -> HostAddress? {
      let offset = address.rawValue &- guestBase
      guard offset < byteCount && length <= byteCount &- offset else { return nil }
      return HostAddress(rawValue: hostBase &+ UInt(offset))
    }
  }

  @usableFromInline let records: UnsafePointer<Record>
  @usableFromInline let count: Int

  @usableFromInline
  init(records: UnsafePointer<Record>, count: Int) {
    unsafe self.records = unsafe records
    self.count = count
  }

  /// Where `length` bytes at `address` are mapped here, or `nil` when they are not inside one region.
  @inlinable @inline(__always)
  public func translate(_ address: GuestPhysicalAddress, length: UInt64) -> HostAddress? {
    var i = 0
    while i < count {
      // SAFETY: i < count, the number of records the table was made with.
      if let host = unsafe records[i].translate(address, length: length) { return host }
      i &+= 1
    }
    return nil
  }

  /// The region a range lies in, for a caller that expects the next range to lie there too.
  @usableFromInline
  func record(of address: GuestPhysicalAddress) -> Record? {
    for i in 0..<count {
      // SAFETY: i < count.
      let record = unsafe records[i]
      if address.rawValue &- record.guestBase < record.byteCount { return record }
    }
    return nil
  }

  /// How many bytes from `address` on lie in one region, and where they are mapped; `nil` when not even one does.
  @inlinable
  public func contiguous(from address: GuestPhysicalAddress) -> (host: HostAddress, byteCount: UInt64)? {
    var i = 0
    while i < count {
      // SAFETY: i < count.
      let record = unsafe records[i]
      let offset = address.rawValue &- record.guestBase
      if offset < record.byteCount {
        return (HostAddress(rawValue: record.hostBase &+ UInt(offset)), record.byteCount &- offset)
      }
      i &+= 1
    }
    return nil
  }
}

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
  }

  @usableFromInline let records: UnsafePointer<Record>
  @usableFromInline let count: Int

  @usableFromInline
  init(records: UnsafePointer<Record>, count: Int) {
    unsafe self.records = unsafe records
    self.count = count
  }

  /// Where `length` bytes at `address` are mapped here, or `nil` when they are not inside one region.
  ///
  /// No sum is formed that could overflow: the offset is compared with the size, then the length with what is left.
  @inlinable @inline(__always)
  public func translate(_ address: GuestPhysicalAddress, length: UInt64) -> HostAddress? {
    var i = 0
    while i < count {
      // SAFETY: i < count, the number of records the table was made with.
      let record = unsafe records[i]
      let offset = address.rawValue &- record.guestBase
      if offset < record.byteCount && length <= record.byteCount &- offset {
        return HostAddress(rawValue: record.hostBase &+ UInt(offset))
      }
      i &+= 1
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

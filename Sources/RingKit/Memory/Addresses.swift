/// An address in the guest's physical address space, in bytes.
///
/// What a driver knows its buffers by. It reaches a device only through a ``DMAMapper``, which turns it into an
/// ``IOVA``; the two types keep a missing translation from compiling.
@frozen
public struct GuestPhysicalAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The address in bytes.
  public var rawValue: UInt64

  /// Wraps an address given in bytes.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The address `bytes` further on, or `nil` when that is beyond 2^64.
  @inlinable
  public func advanced(by bytes: UInt64) -> GuestPhysicalAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(bytes)
    return overflow ? nil : GuestPhysicalAddress(sum)
  }

  /// Orders by address.
  @inlinable
  public static func < (a: GuestPhysicalAddress, b: GuestPhysicalAddress) -> Bool { a.rawValue < b.rawValue }
}

extension GuestPhysicalAddress: CustomStringConvertible {
  /// `gpa 0x…`.
  public var description: String { "gpa 0x" + String(rawValue, radix: 16) }
}

/// The address that stands in a descriptor: what the device puts on the bus, in bytes.
///
/// Without VIRTIO_F_ACCESS_PLATFORM it equals the guest-physical address; behind an IOMMU it is looked up in the
/// device's page table; under swiotlb it is the guest-physical address of a bounce slot.
@frozen
public struct IOVA: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The address in bytes.
  public var rawValue: UInt64

  /// Wraps an address given in bytes.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The bus address of guest-physical memory on a platform that does not translate.
  @inlinable
  public init(untranslated address: GuestPhysicalAddress) { self.rawValue = address.rawValue }

  /// The address `bytes` further on, or `nil` when that is beyond 2^64.
  @inlinable
  public func advanced(by bytes: UInt64) -> IOVA? {
    let (sum, overflow) = rawValue.addingReportingOverflow(bytes)
    return overflow ? nil : IOVA(sum)
  }

  /// Orders by address.
  @inlinable
  public static func < (a: IOVA, b: IOVA) -> Bool { a.rawValue < b.rawValue }
}

extension IOVA: CustomStringConvertible {
  /// `iova 0x…`.
  public var description: String { "iova 0x" + String(rawValue, radix: 16) }
}

/// An address in this process: where guest memory is mapped here.
///
/// It is a number. Only ``pointer``, which is `unsafe`, turns it into a pointer.
@frozen @safe
public struct HostAddress: Hashable, Sendable, BitwiseCopyable {
  /// The address in bytes.
  public let rawValue: UInt

  /// Takes the address of memory that the caller keeps mapped for as long as the value is used.
  @unsafe @inlinable
  public init(_ pointer: UnsafeMutableRawPointer) { self.rawValue = UInt(bitPattern: pointer) }

  /// Wraps an address given in bytes, of memory that the caller keeps mapped; not 0, or ``pointer`` has none to give.
  @unsafe @inlinable
  public init(rawValue: UInt) { self.rawValue = rawValue }

  /// The memory itself; valid while the region it lies in is mapped.
  @unsafe @inlinable
  public var pointer: UnsafeMutableRawPointer {
    // SAFETY: making one is unsafe: its maker says that memory is mapped there, and none is at 0.
    unsafe unsafeBitCast(self, to: UnsafeMutableRawPointer.self)
  }

  /// The address `bytes` further on.
  ///
  /// The caller has checked that it stays inside the region.
  @unsafe @inlinable
  public func advanced(by bytes: Int) -> HostAddress {
    unsafe HostAddress(rawValue: rawValue &+ UInt(bitPattern: bytes))
  }
}

/// A physically contiguous range of guest memory: one element of a buffer.
@frozen
public struct MemorySegment: Hashable, Sendable, BitwiseCopyable {
  /// Where it starts.
  public var address: GuestPhysicalAddress
  /// Its size in bytes.
  public var length: UInt32

  /// A segment of `length` bytes at `address`.
  @inlinable
  public init(_ address: GuestPhysicalAddress, length: UInt32) {
    self.address = address
    self.length = length
  }
}

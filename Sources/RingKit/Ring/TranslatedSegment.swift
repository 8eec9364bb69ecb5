/// A stretch of a buffer as the device finds it in its own address space.
///
/// The bytes belong to the device from ``DeviceQueue/next()`` until the chain is completed and published. They are
/// shared memory: a hostile driver may change them at any time, so parse a copy.
@frozen @safe
public struct TranslatedSegment: Sendable, BitwiseCopyable {
  /// The address it has for the device, as the driver wrote it.
  public let address: IOVA
  /// Where it is mapped here.
  public let host: HostAddress
  /// Never more than one descriptor's length; 32 bits keep a stretch with its address at 24 bytes.
  @usableFromInline let length: UInt32
  /// Whether the device may read or write it.
  public let access: DMADirection

  @inlinable
  init(_ address: IOVA, host: HostAddress, length: UInt32, access: DMADirection) {
    self.address = address
    self.host = host
    self.length = length
    self.access = access
  }

  /// Its size in bytes.
  @inlinable
  public var byteCount: Int { Int(length) }

  /// The bytes; write to them only when ``access`` is device-writable.
  @unsafe @inlinable
  public var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: host.pointer, count: byteCount)
  }
}

extension TranslatedSegment {
  /// Stands for the first stretch of a chain that has no bytes at all.
  @inlinable
  static var empty: TranslatedSegment {
    TranslatedSegment(IOVA(0), host: HostAddress(rawValue: 16), length: 0, access: .deviceReadable)
  }
}

/// A stretch of a buffer as the device finds it in its own address space.
///
/// The bytes belong to the device from ``DeviceQueue/next()`` until the chain is completed and published. They are
/// shared memory: a hostile driver may change them at any time, so parse a copy.
@frozen @safe
public struct TranslatedSegment: Sendable, BitwiseCopyable {
  /// Where it is mapped here.
  public let host: HostAddress
  /// Its size in bytes.
  public let byteCount: Int
  /// Whether the device may read or write it.
  public let access: DMADirection

  @inlinable
  init(host: HostAddress, byteCount: Int, access: DMADirection) {
    self.host = host
    self.byteCount = byteCount
    self.access = access
  }

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
    TranslatedSegment(host: HostAddress(rawValue: 16), byteCount: 0, access: .deviceReadable)
  }
}

public import RingKit

/// What a ``PoisoningMapper`` undoes a mapping by.
public struct PoisoningMapping: BitwiseCopyable, Sendable {
  /// The address the device was given.
  public let address: IOVA
  /// The mapped length in bytes; 0 where nothing is mapped.
  public let byteCount: UInt32
  let serial: UInt64
}

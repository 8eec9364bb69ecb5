public import RingKit

/// Below which length a segment is copied and not mapped, for each direction.
@frozen
public struct HybridThreshold: Equatable, Sendable {
  /// Device-readable segments shorter than this are copied; 0 maps them all.
  public var deviceReadable: UInt32
  /// Device-writable segments shorter than this are copied; 0 maps them all.
  public var deviceWritable: UInt32

  /// Thresholds in bytes.
  @inlinable
  public init(deviceReadable: UInt32, deviceWritable: UInt32) {
    self.deviceReadable = deviceReadable
    self.deviceWritable = deviceWritable
  }

  /// The same one for both directions.
  @inlinable
  public init(_ byteCount: UInt32) { self.init(deviceReadable: byteCount, deviceWritable: byteCount) }

  /// The threshold of one direction.
  @inlinable
  public subscript(direction: DMADirection) -> UInt32 {
    @inline(__always) get { direction == .deviceReadable ? deviceReadable : deviceWritable }
    set {
      if direction == .deviceReadable { deviceReadable = newValue } else { deviceWritable = newValue }
    }
  }
}

internal import CRing
public import RingKit

/// The threshold of running hybrids, which may be moved while they run.
///
/// What a copy and what a map cost depends on where the CPUs of both sides are to each other; when one moves, so does
/// the length at which mapping becomes the cheaper way. Any thread may set it. A mapper reads it at each map, and a
/// buffer is taken back the way it went whatever the threshold is by then.
@safe
public final class HybridControl: @unchecked Sendable {
  // Two words of 32 bits in a line pair of their own: readable, writable.
  @usableFromInline let words: UnsafeMutableRawPointer

  /// A threshold to begin with.
  public init(_ threshold: HybridThreshold) {
    unsafe words = RawBlock.allocate(Int(CRING_ISOLATION_BYTES))
    self.threshold = threshold
  }

  deinit { unsafe RawBlock.free(words) }

  /// Below which length a segment is copied; each direction by itself is read and written in one piece.
  public var threshold: HybridThreshold {
    get {
      unsafe HybridThreshold(
        deviceReadable: cring_load_relaxed_32(words), deviceWritable: cring_load_relaxed_32(words + 4))
    }
    set {
      unsafe cring_store_relaxed_32(words, newValue.deviceReadable)
      unsafe cring_store_relaxed_32(words + 4, newValue.deviceWritable)
    }
  }
}

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

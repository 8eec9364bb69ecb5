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

  /// Below which length a segment is copied; each direction by itself is read and written as a whole.
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

/// Where copying stops being the cheaper way: what both paths cost, and the threshold that leads to.
///
/// Measure the samples with what the threshold is for: both ends, on their CPUs, with the payload
/// touched as it will be. The driver's time for map and unmap alone does not tell: a copy warms the payload for its
/// next reader, and takes it away from the device's cache.
package struct HybridCalibration: Equatable, Sendable {
  /// What was measured, by direction and size.
  package let samples: [HybridSample]
  /// Below which length a segment is copied.
  package let threshold: HybridThreshold

  /// The threshold that samples lead to.
  ///
  /// For each direction: the cut between two sizes that loses least over all of them when everything below it is copied
  /// and everything above it mapped, each loss relative to the better path; so one disturbed sample does not decide.
  /// Between the two sizes costs are taken to grow evenly. Where copying wins to the last, the threshold is one more
  /// than the largest size.
  package init(samples: [HybridSample]) {
    self.samples = samples
    var threshold = HybridThreshold(0)
    for direction in DMADirection.allCases {
      threshold[direction] = Self.cut(
        samples.filter { $0.direction == direction }.sorted { $0.byteCount < $1.byteCount })
    }
    self.threshold = threshold
  }

  private static func cut(_ samples: [HybridSample]) -> UInt32 {
    guard let last = samples.last else { return 0 }
    // With the cut before the first sample everything is mapped.
    var loss = samples.reduce(0) { $0 + max($1.mapNanoseconds / $1.copyNanoseconds - 1, 0) }
    var best = (loss: loss, at: 0)
    for (i, sample) in samples.enumerated() {
      loss -= max(sample.mapNanoseconds / sample.copyNanoseconds - 1, 0)
      loss += max(sample.copyNanoseconds / sample.mapNanoseconds - 1, 0)
      if loss < best.loss { best = (loss, i + 1) }
    }
    if best.at == 0 { return 0 }
    if best.at == samples.count { return UInt32(clamping: last.byteCount + 1) }
    let (below, above) = (samples[best.at - 1], samples[best.at])
    let gain = below.mapNanoseconds - below.copyNanoseconds
    let price = above.copyNanoseconds - above.mapNanoseconds
    let share = gain <= 0 ? 0 : price <= 0 ? 1 : gain / (gain + price)
    return UInt32(clamping: below.byteCount + Int((Double(above.byteCount - below.byteCount) * share).rounded()))
  }
}

/// What one buffer of a size costs on either path.
package struct HybridSample: Equatable, Sendable {
  /// Which way its bytes went.
  package let direction: DMADirection
  /// Its length in bytes.
  package let byteCount: Int
  /// The median when it is copied, in nanoseconds.
  package let copyNanoseconds: Double
  /// The median when it is mapped.
  package let mapNanoseconds: Double

  /// A sample.
  package init(direction: DMADirection, byteCount: Int, copyNanoseconds: Double, mapNanoseconds: Double) {
    self.direction = direction
    self.byteCount = byteCount
    self.copyNanoseconds = copyNanoseconds
    self.mapNanoseconds = mapNanoseconds
  }
}

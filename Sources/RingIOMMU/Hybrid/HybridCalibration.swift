public import RingKit

/// Where copying stops being the cheaper way: what both paths cost, and the threshold that leads to.
///
/// Whoever measures the samples does it with what the threshold is for: both ends, on their CPUs, with the payload
/// touched as it will be. The driver's time for map and unmap alone does not tell: a copy warms the payload for who
/// reads it next, and takes it away from the device's cache.
public struct HybridCalibration: Equatable, Sendable {
  /// What was measured, by direction and size.
  public let samples: [HybridSample]
  /// Below which length a segment is copied.
  public let threshold: HybridThreshold

  /// The threshold that samples lead to.
  ///
  /// For each direction: the cut between two sizes that loses least over all of them when everything below it is copied
  /// and everything above it mapped, each loss relative to the better path; so one disturbed sample does not decide.
  /// Between the two sizes costs are taken to grow evenly. Where copying wins to the last, the threshold is one more
  /// than the largest size.
  public init(samples: [HybridSample]) {
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
public struct HybridSample: Equatable, Sendable {
  /// Which way its bytes went.
  public let direction: DMADirection
  /// Its length in bytes.
  public let byteCount: Int
  /// The median when it is copied, in nanoseconds.
  public let copyNanoseconds: Double
  /// The median when it is mapped.
  public let mapNanoseconds: Double

  /// A sample.
  public init(direction: DMADirection, byteCount: Int, copyNanoseconds: Double, mapNanoseconds: Double) {
    self.direction = direction
    self.byteCount = byteCount
    self.copyNanoseconds = copyNanoseconds
    self.mapNanoseconds = mapNanoseconds
  }
}

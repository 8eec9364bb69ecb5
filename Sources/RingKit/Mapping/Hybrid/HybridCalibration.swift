/// Where copying stops being the cheaper way: the costs of both paths, measured, and the threshold they lead to.
///
/// Each size takes its turn on one path and then on the other, so that whatever slows the machine down meets both, and
/// the median of the turns counts. For set-up: takes some tenths of a second.
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

  /// Measures both paths and finds where they cross.
  ///
  /// Whoever serves the mapping path's invalidations must do so meanwhile, as in the run that the threshold is for.
  ///
  /// - Parameters:
  ///   - copying: takes segments up to `largest` bytes, `inFlight` at a time.
  ///   - mapping: as much.
  ///   - payload: memory that both can map, at least `inFlight` × `largest` bytes.
  ///   - largest: bytes of the largest segment, at least 64.
  ///   - inFlight: segments mapped before the first is unmapped, as in the run: what does not fit a cache shows in copies.
  ///   - rounds: turns of each size.
  /// - Throws: ``DMAError`` of either path; what it had mapped then stays mapped.
  @inlinable
  public init<Copying: DMAMapper & ~Copyable, Mapping: DMAMapper & ~Copyable>(
    copying: inout Copying, mapping: inout Mapping, over payload: GuestBuffer, largest: Int, inFlight: Int = 32,
    rounds: Int = 15
  ) throws(DMAError) {
    precondition(inFlight > 0 && rounds > 0 && largest >= 64, "nothing would be measured")
    precondition(payload.byteCount / inFlight >= largest, "the payload does not hold the segments in flight")
    let copies = HybridStopwatch(payload, inFlight: inFlight, mapping: Copying.unmapped)
    let maps = HybridStopwatch(payload, inFlight: inFlight, mapping: Mapping.unmapped)
    var samples: [HybridSample] = []
    for direction in DMADirection.allCases {
      for byteCount in Self.sizes(upTo: largest) {
        var times: (copy: [Double], map: [Double]) = ([], [])
        for round in 0...rounds {
          let copy = try copies.time(&copying, byteCount, direction)
          let map = try maps.time(&mapping, byteCount, direction)
          // The first turn brings the memory near.
          if round == 0 { continue }
          times.copy.append(copy)
          times.map.append(map)
        }
        samples.append(
          HybridSample(
            direction: direction, byteCount: byteCount, copyNanoseconds: Self.median(times.copy),
            mapNanoseconds: Self.median(times.map)))
      }
    }
    self.init(samples: samples)
  }

  /// 64, 96, 128, 192, … and the largest.
  @usableFromInline
  static func sizes(upTo largest: Int) -> [Int] {
    var sizes: [Int] = []
    var power = 64
    while power < largest {
      sizes += power + power / 2 < largest ? [power, power + power / 2] : [power]
      power *= 2
    }
    return sizes + [largest]
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

  @usableFromInline
  static func median(_ times: [Double]) -> Double {
    let sorted = times.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

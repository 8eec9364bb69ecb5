import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension HybridCalibrator {
  /// What slices say whose contenders are pairs of `shadow` and `iommu-strict`: one finding for each placement class that
  /// was seen enough of, the one to use first.
  package static func findings(_ keys: [CostKey], _ sorter: SliceSorter) -> [HybridFinding] {
    var findings: [HybridFinding] = []
    for placement in PlacementClass.allCases {
      var samples: [HybridSample] = []
      var roundTrips: [Double] = []
      var slices = 0
      for copying in stride(from: 0, to: keys.count, by: 2) {
        let (key, mapping) = (keys[copying], copying + 1)
        let pairs = sorter.pairs(copying, with: mapping, placement)
        guard pairs.count >= fewestPairs, let copy = Percentile.median(pairs.map(\.numerator)),
          let map = Percentile.median(pairs.map(\.denominator))
        else { continue }
        samples.append(
          HybridSample(direction: key.direction, byteCount: key.bytes, copyNanoseconds: copy, mapNanoseconds: map))
        roundTrips += sorter.kept(copying, placement).map(\.conditions.roundTrip)
        slices += 2 * pairs.count
      }
      guard !samples.isEmpty else { continue }
      findings.append(
        HybridFinding(
          ring: keys[0].ring, placement: placement, roundTrip: Percentile.median(roundTrips) ?? 0, slices: slices,
          calibration: HybridCalibration(samples: samples)))
    }
    // The class with most sizes: without one there is a gap in what the threshold comes from.
    return findings.sorted {
      ($0.calibration.samples.count, $0.slices) > ($1.calibration.samples.count, $1.slices)
    }
  }
}

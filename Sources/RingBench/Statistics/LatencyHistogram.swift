import CRing
import Histogram

/// Cycles of single events, three digits of each, up to some seconds; recording allocates nothing.
struct LatencyHistogram {
  private var histogram = Histogram<UInt32>(highestTrackableValue: 1 << 34, numberOfSignificantValueDigits: .three)

  mutating func record(cycles: UInt64) { _ = histogram.record(cycles) }

  /// In nanoseconds.
  var summary: Latency {
    let nanoseconds = 1e9 / Double(cring_cycles_per_second())
    func at(_ percentile: Double) -> Double {
      Rounded.value(Double(histogram.valueAtPercentile(percentile)) * nanoseconds)
    }
    return Latency(
      count: Int(histogram.totalCount), p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100))
  }
}

import CRing

#if Bench
import Histogram
#endif

/// Percentiles of single round trips, in nanoseconds.
package struct Latency: Codable, Equatable, Sendable {
  package let count: Int
  package let p50: Double
  package let p90: Double
  package let p99: Double
  package let p999: Double
  package let max: Double
  /// All of them, as nanoseconds, in HdrHistogram's V2 compressed form and Base64; missing in results of schema 1.
  let histogram: String?

  /// What the histogram holds; `nil` where there is none, or none that can be read.
  package var buckets: HistogramBuckets? { histogram.flatMap { HistogramBuckets(compressed: $0) } }
}

/// Cycles of single events, three digits of each, up to some seconds; recording allocates nothing.
package struct LatencyHistogram {
  #if Bench
  private var histogram = Histogram<UInt32>(highestTrackableValue: 1 << 34, numberOfSignificantValueDigits: .three)

  package init() {}

  package mutating func record(cycles: UInt64) { _ = histogram.record(cycles) }

  /// In nanoseconds.
  package var summary: Latency {
    let nanoseconds = 1e9 / Double(cring_cycles_per_second())
    func at(_ percentile: Double) -> Double {
      Rounded.value(Double(histogram.valueAtPercentile(percentile)) * nanoseconds)
    }
    let values = histogram.recordedValues().map {
      (value: Double($0.value) * nanoseconds, count: Int($0.countAddedInThisIterationStep))
    }
    return Latency(
      count: Int(histogram.totalCount), p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100),
      histogram: histogram.totalCount == 0 ? nil : HistogramBuckets(values).compressed)
  }
  #else
  // A build without the trait has no HdrHistogram, and no command that measures.
  package init() {}
  package mutating func record(cycles: UInt64) {}
  package var summary: Latency { Latency(count: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, histogram: nil) }
  #endif
}

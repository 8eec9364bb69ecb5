/// Percentiles of single round trips, in nanoseconds.
struct Latency: Encodable, Equatable, Sendable {
  let count: Int
  let p50: Double
  let p90: Double
  let p99: Double
  let p999: Double
  let max: Double
}

import BenchHarness
import BenchPaths

/// One pass of the fixed load (Scripts/guest/load.c): so many random writes, or reads that were compared with them.
package struct LoadPass: Equatable, Sendable {
  package let operation: String
  package let requests: Int
  package let bytes: Int
  package let nanoseconds: Int
  /// Nanoseconds of a request: median, 90th, 99th and 99.9th percentile, and the longest.
  package let latency: [Int]
  /// Bounce slots in use at most, as far as was seen.
  package let peakSlots: Int

  package static let latencyNames = ["p50", "p90", "p99", "p999", "max"]

  /// Takes `name=value` words apart; `nil` when one is missing.
  package init?(_ words: some Sequence<String>) {
    var values: [String: String] = [:]
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
    func number(_ name: String) -> Int? { values[name].flatMap { Int($0) } }
    let latency = Self.latencyNames.compactMap(number)
    guard let operation = values["op"], let requests = number("requests"), let bytes = number("bytes"),
      let nanoseconds = number("ns"), let peakSlots = number("peak"), latency.count == Self.latencyNames.count
    else { return nil }
    self.operation = operation
    self.requests = requests
    self.bytes = bytes
    self.nanoseconds = nanoseconds
    self.latency = latency
    self.peakSlots = peakSlots
  }

  package var requestsPerSecond: Double { nanoseconds == 0 ? 0 : Double(requests) * 1e9 / Double(nanoseconds) }
}

/// One pass of the fixed load (Scripts/guest/load.c): so many random writes, or reads that were compared with them.
struct LoadPass: Equatable, Sendable {
  let operation: String
  let requests: Int
  let bytes: Int
  let nanoseconds: Int
  /// Nanoseconds of a request: median, 90th, 99th and 99.9th percentile, and the longest.
  let latency: [Int]
  /// Bounce slots in use at most, as far as was seen.
  let peakSlots: Int

  static let latencyNames = ["p50", "p90", "p99", "p999", "max"]

  /// Takes `name=value` words apart; `nil` when one is missing.
  init?(_ words: some Sequence<String>) {
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

  var requestsPerSecond: Double { nanoseconds == 0 ? 0 : Double(requests) * 1e9 / Double(nanoseconds) }
}

import Glibc

/// Where the values of a run gather, when they gather around two.
///
/// A ring that is kept full one buffer at a time falls into one of two rhythms (which end catches up with the other); a
/// median between them is the time of neither.
package struct Modes: Codable, Equatable, Sendable {
  package struct Mode: Codable, Equatable, Sendable {
    package let nsPerBuffer: Double
    /// Of all slices, 0 to 1.
    package let share: Double
  }

  package let modes: [Mode]

  package var isBimodal: Bool { modes.count > 1 }

  private init(modes: [Mode]) { self.modes = modes }

  package init(from decoder: any Decoder) throws { modes = try decoder.singleValueContainer().decode([Mode].self) }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.singleValueContainer()
    try values.encode(modes)
  }

  /// Two means in log space; one mode when they lie within a factor of 1.5 or one of them is rare.
  package static func of(_ values: [Double]) -> Modes {
    let logs = values.filter { $0 > 0 }.map { log($0) }.sorted()
    guard let first = logs.first, let last = logs.last else { return Modes(modes: []) }
    var (low, high) = (first, last)
    var split = 0
    for _ in 0..<32 {
      split = logs.firstIndex { $0 - low > high - $0 } ?? logs.count
      guard split > 0, split < logs.count else { break }
      let nextLow = logs[..<split].reduce(0, +) / Double(split)
      let nextHigh = logs[split...].reduce(0, +) / Double(logs.count - split)
      if nextLow == low && nextHigh == high { break }
      (low, high) = (nextLow, nextHigh)
    }
    let share = Double(split) / Double(logs.count)
    guard high - low > log(1.5), share > 0.05, share < 0.95 else {
      return Modes(modes: [Mode(nsPerBuffer: Rounded.value(exp(logs[logs.count / 2])), share: 1)])
    }
    return Modes(modes: [
      Mode(nsPerBuffer: Rounded.value(exp(logs[split / 2])), share: Rounded.value(share)),
      Mode(nsPerBuffer: Rounded.value(exp(logs[(split + logs.count) / 2])), share: Rounded.value(1 - share)),
    ])
  }
}

internal import Glibc

/// Random numbers that repeat: SplitMix64, with a seed that is printed and can be given.
///
/// The constants are those of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  /// What the sequence grew from.
  public let seed: UInt64
  private var state: UInt64

  /// Starts the sequence of a seed.
  public init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// Starts a sequence for a test and prints its seed.
  ///
  /// The environment variable RINGKIT_SEED (decimal, or hexadecimal with 0x) repeats an earlier run; otherwise the
  /// seed is new each time.
  public init(for test: String) {
    let seed = Self.seedFromEnvironment() ?? UInt64.random(in: .min ... .max)
    print("\(test): RINGKIT_SEED=\(seed)")
    self.init(seed: seed)
  }

  /// The next number of the sequence.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private static func seedFromEnvironment() -> UInt64? {
    guard let text = unsafe getenv("RINGKIT_SEED").map({ unsafe String(cString: $0) }) else { return nil }
    let seed = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    precondition(seed != nil, "RINGKIT_SEED is not a number: \(text)")
    return seed
  }
}

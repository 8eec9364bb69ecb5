import BenchDocument
import Glibc

/// Values along an axis of a picture.
struct Scale {
  let isLogarithmic: Bool
  private let low: Double
  private let high: Double
  private let start: Double
  private let end: Double

  /// Covers values from `low` to `high` between two coordinates; a logarithmic one ends at round numbers.
  init(logarithmic: Bool, from low: Double, to high: Double, between start: Double, and end: Double) {
    isLogarithmic = logarithmic
    (self.start, self.end) = (start, end)
    guard logarithmic else {
      (self.low, self.high) = (low, high > low ? high : low + 1)
      return
    }
    let least = low > 0 && low.isFinite ? low : 1
    let most = high.isFinite ? max(high, least) : least
    // A little room on both sides, and at least a factor of two altogether.
    let room = max(1.08, (2 / (most / least)).squareRoot())
    (self.low, self.high) = (least / room, most * room)
  }

  /// Where a value lies; beyond the ends at the end.
  func at(_ value: Double) -> Double {
    let fraction =
      isLogarithmic ? log(max(value, low) / low) / log(high / low) : (value - low) / (high - low)
    return start + min(max(fraction, 0), 1) * (end - start)
  }

  /// The coordinates of its two ends.
  var ends: (Double, Double) { (start, end) }

  func covers(_ value: Double) -> Bool { value >= low && value <= high }

  /// At most so many values worth a line: on a logarithmic axis round numbers, the finest set that fits.
  func ticks(_ most: Int) -> [Double] {
    isLogarithmic ? logarithmicTicks(most) : linearTicks(most)
  }

  private func logarithmicTicks(_ most: Int) -> [Double] {
    let decades = Int(floor(log10(low)))...Int(ceil(log10(high)))
    var ticks: [Double] = []
    for digits in [[1.0, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]] {
      ticks = decades.flatMap { decade in digits.map { $0 * pow(10, Double(decade)) } }.filter(covers)
      if ticks.count <= most { return ticks }
    }
    let step = (ticks.count + most - 1) / max(most, 1)
    return ticks.enumerated().filter { $0.offset % step == 0 }.map(\.element)
  }

  private func linearTicks(_ most: Int) -> [Double] {
    let rough = (high - low) / Double(max(most, 1))
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
    let first = Int(ceil(low / step))
    let last = Int(floor(high / step))
    return first <= last ? (first...last).map { Double($0) * step } : []
  }

  /// Powers of two of bytes that lie on it.
  func byteTicks(_ most: Int) -> [Double] {
    let ticks = (0...40).map { pow(2, Double($0)) }.filter(covers)
    let step = max(1, (ticks.count + most - 1) / max(most, 1))
    return ticks.enumerated().filter { $0.offset % step == 0 }.map(\.element)
  }
}

/// Numbers beside an axis.
enum TickText {
  static func number(_ value: Double) -> String {
    switch value {
    case 1e9...: trimmed(value / 1e9) + " G"
    case 1e6..<1e9: trimmed(value / 1e6) + " M"
    case 1e4..<1e6: trimmed(value / 1e3) + " k"
    default: trimmed(value)
    }
  }

  static func bytes(_ value: Double) -> String {
    switch value {
    case 1_048_576...: trimmed(value / 1_048_576) + "M"
    case 1024..<1_048_576: trimmed(value / 1024) + "K"
    default: trimmed(value)
    }
  }

  private static func trimmed(_ value: Double) -> String {
    var text = fixed(value, abs(value) < 0.1 ? 3 : abs(value) < 10 ? 2 : 0)
    guard text.contains(".") else { return text }
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text
  }
}

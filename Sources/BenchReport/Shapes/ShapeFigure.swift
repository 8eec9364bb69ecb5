import BenchHarness
import BenchPaths

/// One figure of a shape, predicted or measured.
package struct ShapeFigure: Sendable, Equatable {
  package var name: String
  package var unit: String
  package var value: Estimate
  /// Counted rather than timed: the same in every run.
  package var isExact = false
}

extension ShapeFigure: Encodable {
  private enum Key: String, CodingKey {
    case name, unit, value, low, high, exact
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(name, forKey: .name)
    try values.encode(unit, forKey: .unit)
    try values.encode(Rounded.value(value.median, digits: isExact ? 6 : 4), forKey: .value)
    if value.low != value.high {
      try values.encode(Rounded.value(value.low), forKey: .low)
      try values.encode(Rounded.value(value.high), forKey: .high)
    }
    try values.encode(isExact, forKey: .exact)
  }
}

/// Order statistics of a handful of values.
package enum Percentile {
  /// The median, of an even number of values the mean of the middle two, or `nil` of none.
  package static func median(_ values: [Double]) -> Double? { value(0.5, of: values) }

  /// The value below which `fraction` (0 to 1) of them lie, linear between neighbours, or `nil` of none.
  package static func value(_ fraction: Double, of values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let position = min(max(fraction, 0), 1) * Double(sorted.count - 1)
    let below = Int(position)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (position - Double(below))
  }
}

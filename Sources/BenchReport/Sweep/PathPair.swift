import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// Two paths over all sizes, on one ring, in one direction and one placement class.
package struct PathPair: Sendable {
  package var ring: RingLayout
  package var direction: DMADirection
  package var placement: PlacementClass
  package var first: DMAPath
  package var second: DMAPath
  /// Sizes at which both were measured.
  package var sizes: ClosedRange<Int>
  package var finding: CrossoverFinding
  /// Where one copies and the other maps: what their own costs predict.
  package var prediction: (formula: CrossoverPrediction, withOverhead: CrossoverPrediction)?

  /// The path that is cheaper at every size that tells, if there is one.
  package var cheaperThroughout: DMAPath? {
    switch finding.cheaper {
    case .first: first
    case .second: second
    case .neither: nil
    }
  }

  /// The paths by who is cheaper below and above.
  package func sides(_ crossover: Crossover) -> (below: DMAPath, above: DMAPath) {
    crossover.firstIsCheaperBelow ? (first, second) : (second, first)
  }

  /// One line for people, without the names.
  package var outcome: String {
    guard finding.crossovers.isEmpty else {
      return finding.crossovers.map { crossover in
        let sides = sides(crossover)
        return
          "\(sides.below.name) below, \(sides.above.name) above \(NumberText.grouped(Int(crossover.bytes.median))) bytes"
      }.joined(separator: "; ")
    }
    guard let cheaper = cheaperThroughout else { return "no crossover in range: they cost the same" }
    return "no crossover in range: \(cheaper.name) is cheaper"
  }
}

extension PathPair: Encodable {
  private enum Key: String, CodingKey {
    case ring, direction, placement, paths, sizes, outcome, cheaperThroughout, crossovers, predicted
  }

  private enum CrossoverKey: String, CodingKey {
    case bytes, between, cheaperBelow, cheaperAbove
  }

  private enum PredictionKey: String, CodingKey {
    case bytes, bytesWithOverhead, formula
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    try values.encode(direction.name, forKey: .direction)
    try values.encode(placement, forKey: .placement)
    try values.encode([first, second], forKey: .paths)
    try values.encode([sizes.lowerBound, sizes.upperBound], forKey: .sizes)
    try values.encode(finding.crossovers.isEmpty ? "no crossover in range" : "crossover", forKey: .outcome)
    try values.encode(cheaperThroughout, forKey: .cheaperThroughout)
    var list = values.nestedUnkeyedContainer(forKey: .crossovers)
    for crossover in finding.crossovers {
      var entry = list.nestedContainer(keyedBy: CrossoverKey.self)
      try entry.encode(crossover.bytes.rounded, forKey: .bytes)
      try entry.encode([crossover.between.lowerBound, crossover.between.upperBound], forKey: .between)
      try entry.encode(sides(crossover).below, forKey: .cheaperBelow)
      try entry.encode(sides(crossover).above, forKey: .cheaperAbove)
    }
    guard let prediction else { return try values.encodeNil(forKey: .predicted) }
    var entry = values.nestedContainer(keyedBy: PredictionKey.self, forKey: .predicted)
    try entry.encode(prediction.formula.bytes.map { Rounded.value($0) }, forKey: .bytes)
    try entry.encode(prediction.withOverhead.bytes.map { Rounded.value($0) }, forKey: .bytesWithOverhead)
    try entry.encode("bandwidth x (t_map + t_unmap) / \(copies)", forKey: .formula)
  }

  /// k of the formula.
  package var copies: Int { first.copies(direction) ?? second.copies(direction) ?? 1 }
}

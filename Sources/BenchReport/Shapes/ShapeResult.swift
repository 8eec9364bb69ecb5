import BenchHarness
import BenchPaths

/// One shape as it came out: predicted beside measured, and what it is held against.
package struct ShapeResult: Sendable {
  package let shape: Shape
  /// The figures' names in the order they were added, predicted and measured ones alike.
  package private(set) var names: [String] = []
  package private(set) var predicted: [ShapeFigure] = []
  package private(set) var measured: [ShapeFigure] = []
  package var published: [PublishedFigure]
  package var verdict = Verdict.cannotBeShown
  /// One sentence or two, with the figures that decided.
  package var why = ""
  package var conditions = ShapeConditions()
  /// Whether a price that cannot be measured here was added.
  package var injected = false

  package init(_ shape: Shape, published: [PublishedFigure]) {
    self.shape = shape
    self.published = published
  }

  /// A shape that this machine or this build cannot show.
  package static func notShown(_ shape: Shape, published: [PublishedFigure], why: String) -> ShapeResult {
    var result = ShapeResult(shape, published: published)
    result.why = why
    return result
  }

  /// A timed figure, with what was predicted for it.
  package mutating func add(_ name: String, unit: String, predicted: Double?, measured: Estimate?) {
    note(name)
    if let predicted { self.predicted.append(ShapeFigure(name: name, unit: unit, value: .exactly(predicted))) }
    if let measured { self.measured.append(ShapeFigure(name: name, unit: unit, value: measured)) }
  }

  /// A counted figure, with what was predicted for it.
  package mutating func count(_ name: String, unit: String, predicted: Double, measured: Double) {
    note(name)
    self.predicted.append(ShapeFigure(name: name, unit: unit, value: .exactly(predicted), isExact: true))
    self.measured.append(ShapeFigure(name: name, unit: unit, value: .exactly(measured), isExact: true))
  }

  private mutating func note(_ name: String) {
    if !names.contains(name) { names.append(name) }
  }

  /// Whether every counted figure is the predicted one.
  package var countsAreExact: Bool {
    measured.filter(\.isExact).allSatisfy { figure in predicted.contains(figure) }
  }

  package mutating func conclude(_ holds: Bool, _ why: String) {
    verdict = holds ? .agrees : .differs
    self.why = why
  }

  /// Too few slices of the class for a time this shape needs.
  package mutating func concludeUnmeasured() {
    verdict = .cannotBeShown
    why =
      "too few undisturbed slices were kept in one placement class; \(DropReason.sentence(conditions.slicesDroppedBy))"
  }
}

extension ShapeResult: Encodable {
  private enum Key: String, CodingKey {
    case shape, title, expectation, predicted, measured, published, verdict, why, placement, slicesDroppedBy
    case disturbed, injected
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(shape, forKey: .shape)
    try values.encode(shape.title, forKey: .title)
    try values.encode(shape.expectation, forKey: .expectation)
    try values.encode(predicted, forKey: .predicted)
    try values.encode(measured, forKey: .measured)
    try values.encode(published, forKey: .published)
    try values.encode(verdict, forKey: .verdict)
    try values.encode(why, forKey: .why)
    if let placement = conditions.placement {
      try values.encode(PlacementFigure(placement, conditions.roundTrip), forKey: .placement)
    } else {
      // Counts alone: they are the same wherever the CPUs are.
      try values.encodeNil(forKey: .placement)
    }
    try values.encode(DropReason.counts(conditions.slicesDroppedBy), forKey: .slicesDroppedBy)
    try values.encode(conditions.isDisturbed, forKey: .disturbed)
    try values.encode(injected, forKey: .injected)
  }
}

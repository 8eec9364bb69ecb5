import BenchHarness
import BenchPaths

/// One figure of a shape, predicted or measured.
package struct ShapeFigure: Encodable, Sendable, Equatable {
  package let name: String
  let unit: String
  private let value: Double
  /// Of an interval that is wider than nothing.
  let low: Figure?
  let high: Figure?
  /// Counted rather than timed: the same in every run.
  let exact: Bool
  /// With all digits.
  package let estimate: Estimate

  init(_ name: String, _ unit: String, _ value: Estimate, exact: Bool = false) {
    (self.name, self.unit, self.exact, estimate) = (name, unit, exact, value)
    self.value = Rounded.value(value.median, digits: exact ? 6 : 4)
    let isPoint = value.low == value.high
    low = isPoint ? nil : Figure(wrappedValue: value.low)
    high = isPoint ? nil : Figure(wrappedValue: value.high)
  }

  private enum CodingKeys: CodingKey { case name, unit, value, low, high, exact }
}

/// One shape as it came out: predicted beside measured, and what it is held against.
package struct ShapeResult: Encodable, Sendable {
  let shape: Shape
  private let title: String
  private let expectation: String
  private(set) var predicted: [ShapeFigure] = []
  package private(set) var measured: [ShapeFigure] = []
  let published: [PublishedFigure]
  private(set) var verdict = Verdict.cannotBeShown
  /// One sentence or two, with the figures that decided.
  package private(set) var why = ""
  /// `nil` where there are counts alone: they are the same wherever the CPUs are.
  @Null private(set) var placement: PlacementFigure?
  private var slicesDroppedBy = DropReason.counts([:])
  private(set) var disturbed = false
  /// Whether a price that cannot be measured here was added.
  package var injected = false
  /// The figures' names in the order they were added, predicted and measured ones alike.
  private(set) var names: [String] = []

  package init(_ shape: Shape, published: [Published]) {
    self.shape = shape
    (title, expectation) = (shape.title, shape.expectation)
    self.published = published.map(\.figure)
  }

  private enum CodingKeys: CodingKey {
    case shape, title, expectation, predicted, measured, published, verdict, why, placement, slicesDroppedBy, disturbed
    case injected
  }

  package var conditions: ShapeConditions {
    get {
      ShapeConditions(
        placement: placement?.class, roundTrip: placement?.roundTripNs, slicesDroppedBy: slicesDroppedBy,
        isDisturbed: disturbed)
    }
    set {
      placement = newValue.placement.map { PlacementFigure($0, newValue.roundTrip) }
      (slicesDroppedBy, disturbed) = (DropReason.counts(newValue.slicesDroppedBy), newValue.isDisturbed)
    }
  }

  /// A timed figure, with what was predicted for it.
  package mutating func add(_ name: String, unit: String, predicted: Double?, measured: Estimate?) {
    if !names.contains(name), predicted != nil || measured != nil { names.append(name) }
    if let predicted { self.predicted.append(ShapeFigure(name, unit, .exactly(predicted))) }
    if let measured { self.measured.append(ShapeFigure(name, unit, measured)) }
  }

  /// A counted figure, with what was predicted for it.
  package mutating func count(_ name: String, unit: String, predicted: Double, measured: Double) {
    if !names.contains(name) { names.append(name) }
    self.predicted.append(ShapeFigure(name, unit, .exactly(predicted), exact: true))
    self.measured.append(ShapeFigure(name, unit, .exactly(measured), exact: true))
  }

  /// Whether every counted figure is the predicted one.
  package var countsAreExact: Bool { measured.allSatisfy { !$0.exact || predicted.contains($0) } }

  package mutating func conclude(_ holds: Bool, _ why: String) {
    verdict = holds ? .agrees : .differs
    self.why = why
  }

  /// Too few slices of the class for a time this shape needs.
  package mutating func concludeUnmeasured() {
    verdict = .cannotBeShown
    why =
      slicesDroppedBy.values.allSatisfy { $0 == 0 }
      ? "no slice was measured in time; raise --time-limit"
      : "too few slices were kept in one placement class; \(DropReason.sentence(slicesDroppedBy))"
  }

  /// This machine does not have what the shape needs.
  package mutating func concludeImpossible(_ reason: String) {
    verdict = .cannotBeShown
    why = reason
  }
}

extension ShapesReport {
  /// Where nothing was measured or counted.
  package var emptiness: String? {
    guard let first = shapes.first, shapes.allSatisfy({ $0.measured.isEmpty }) else { return nil }
    return "nothing was measured: \(first.why)"
  }

  package var caution: String? { shapes.contains(where: \.disturbed) ? Lines.disturbed : nil }
}

/// Everything `ringbench shapes` found.
package final class ShapesReport: Encodable {
  package let machine: Machine
  let parameters: ShapeParameters
  package let shapes: [ShapeResult]
  package let interrupted: Bool

  package init(machine: Machine, parameters: ShapeParameters, shapes: [ShapeResult], interrupted: Bool) {
    (self.machine, self.parameters, self.shapes, self.interrupted) = (machine, parameters, shapes, interrupted)
  }
}

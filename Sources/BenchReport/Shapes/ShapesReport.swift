import BenchDocument

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
  private(set) var why = ""
  /// `nil` where there are counts alone: they are the same wherever the CPUs are.
  @Null private(set) var placement: PlacementFigure?
  private var slicesDroppedBy = DropReason.counts([:])
  private(set) var disturbed = false
  /// Whether a price that cannot be measured here was added.
  let injected = false
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

  /// The same with that conclusion.
  package var unmeasured: ShapeResult {
    var result = self
    result.concludeUnmeasured()
    return result
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
}

/// Everything `ringbench shapes` found.
package final class ShapesReport: Encodable {
  let machine: Machine
  let parameters: ShapeParameters
  let shapes: [ShapeResult]
  package let interrupted: Bool

  package init(machine: Machine, parameters: ShapeParameters, shapes: [ShapeResult], interrupted: Bool) {
    (self.machine, self.parameters, self.shapes, self.interrupted) = (machine, parameters, shapes, interrupted)
  }
}

/// The shapes for people: for each its expectation, the figures, what was published, and the verdict.
extension ShapesReport {
  package func text() -> String {
    let (shapes, parameters) = (shapes, parameters)
    let counts = [Verdict.agrees, .differs, .cannotBeShown].compactMap { verdict in
      let letters = shapes.filter { $0.verdict == verdict }.map(\.shape.name)
      return letters.isEmpty ? nil : "\(verdict.rawValue): \(letters.joined(separator: " "))"
    }
    let caveat = Lines.caveat(interrupted: interrupted, disturbed: shapes.contains(where: \.disturbed))
    return Lines.machine(machine)
      + "Driver on CPU \(parameters.driverCPU), device on CPU \(parameters.deviceCPU), \(parameters.ring.name) ring\n"
      + shapes.map(text).joined() + "\n\(caveat)\(counts.joined(separator: "; ")). " + Lines.more("shapes")
  }

  private func text(_ result: ShapeResult) -> String {
    let shape = result.shape
    var text = "\n\(shape.name)  \(shape.title)\(result.injected ? " (a price is injected)" : "")"
    if let placement = result.placement {
      text += ", class \(placement.class.name)"
      if let trip = placement.roundTripNs { text += ", round trip \(short(trip)) ns" }
    }
    text += "\n  Expected: \(shape.expectation)\n"
    let rows = result.names.map { name in
      let predicted = result.predicted.first { $0.name == name }
      let measured = result.measured.first { $0.name == name }
      return [
        name, predicted.map(number) ?? "-", measured.map(number) ?? "-", measured.map(interval) ?? "",
        (measured ?? predicted)?.unit ?? "",
      ]
    }
    text += TextTable.text("|>predicted|>measured|95 %|", rows, indent: 4)
    for published in result.published {
      text += "  Published: \(published.figure) (\(published.source), \(published.setup); \(published.words))\n"
    }
    return text + "  \(result.verdict.rawValue): \(result.why)\n"
  }

  private func number(_ figure: ShapeFigure) -> String {
    let value = figure.estimate.median
    if figure.exact && value == value.rounded() { return grouped(Int(value)) }
    return value != 0 && abs(value) < 0.1 ? fixed(value, figure.exact ? 6 : 3) : short(value)
  }

  private func interval(_ figure: ShapeFigure) -> String {
    guard figure.low != nil else { return figure.exact ? "exact" : "" }
    return "\(short(figure.estimate.low)) to \(short(figure.estimate.high))"
  }
}

extension ShapesReport: TextReport {
  package var seed: UInt64? { parameters.seed }

  /// A row for each figure, predicted and measured; the verdicts stand in the details.
  package func document(_ run: RunRecord) throws(BenchError) -> ResultDocument {
    var document = ResultDocument(run: run, machine: machine)
    document.parameters = try JSONValue.of(parameters).object ?? [:]
    for shape in shapes {
      document.results += shape.names.map { name in
        var row = ResultRow(.shape)
        row.labels = ["shape": shape.shape.rawValue, "figure": name]
        row.placement = shape.conditions.placement.map { PlacementFigure($0, shape.conditions.roundTrip) }
        row.injected = shape.injected
        row.figures = [("predicted", shape.predicted), ("measured", shape.measured)].compactMap { kind, figures in
          figures.first { $0.name == name }.map { figure in
            figure.low == nil
              ? ResultFigure(kind, unit: figure.unit, figure.estimate.median)
              : ResultFigure(kind, unit: figure.unit, figure.estimate)
          }
        }
        return row
      }
    }
    document.details = ["shapes": try JSONValue.of(shapes)]
    document.addCautions(disturbed: shapes.contains(where: \.disturbed), interrupted: interrupted)
    return document
  }
}

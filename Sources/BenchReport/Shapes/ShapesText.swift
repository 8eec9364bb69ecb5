import BenchHarness
import BenchPaths

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

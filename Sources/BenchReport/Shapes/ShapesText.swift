import BenchHarness
import BenchPaths

/// The shapes for people: for each its expectation, the figures, what was published, and the verdict.
package struct ShapesText {
  private let report: ShapesReport

  package init(_ report: ShapesReport) { self.report = report }

  package func render() -> String {
    let disturbed = report.shapes.contains(where: \.conditions.isDisturbed)
    let counts = [Verdict.agrees, .differs, .cannotBeShown].compactMap { verdict in
      let letters = report.shapes.filter { $0.verdict == verdict }.map(\.shape.name)
      return letters.isEmpty ? nil : "\(verdict.rawValue): \(letters.joined(separator: " "))"
    }
    return """
      \(report.machine.cpuModel), Linux \(report.machine.kernel), \(report.machine.toolchain)
      Driver on CPU \(report.parameters.driverCPU), device on CPU \(report.parameters.deviceCPU), \
      \(report.parameters.ring.name) ring
      \(report.shapes.map(text).joined())
      \(Caveat.text(interrupted: report.interrupted, disturbed: disturbed))\(counts.joined(separator: "; ")). \
      More: 'ringbench help shapes', '--format json'.

      """
  }

  private func text(_ result: ShapeResult) -> String {
    var text = "\n\(result.shape.name)  \(result.shape.title)\(result.injected ? " (a price is injected)" : "")"
    if let placement = result.conditions.placement {
      let trip = result.conditions.roundTrip.map { ", round trip \(NumberText.short($0)) ns" } ?? ""
      text += ", class \(placement.name)\(trip)"
    }
    text += "\n  Expected: \(result.shape.expectation)\n"
    text += table(result)
    for published in result.published {
      text += "  Published: \(published.figure) (\(published.source), \(published.setup); \(published.grade.words))\n"
    }
    return text + "  \(result.verdict.rawValue): \(result.why)\n"
  }

  private func table(_ result: ShapeResult) -> String {
    let names = result.names.filter { name in (result.predicted + result.measured).contains { $0.name == name } }
    guard !names.isEmpty else { return "" }
    var table = TextTable([
      ("", .left), ("predicted", .right), ("measured", .right), ("95 %", .left), ("", .left),
    ])
    for name in names {
      let predicted = result.predicted.first { $0.name == name }
      let measured = result.measured.first { $0.name == name }
      table.add([
        name, predicted.map(number) ?? "-", measured.map(number) ?? "-", measured.map(interval) ?? "",
        (measured ?? predicted)?.unit ?? "",
      ])
    }
    return table.render(indent: 4)
  }

  private func number(_ figure: ShapeFigure) -> String {
    let value = figure.value.median
    if figure.isExact && value == value.rounded() { return NumberText.grouped(Int(value)) }
    return value != 0 && abs(value) < 0.1 ? NumberText.fixed(value, figure.isExact ? 6 : 3) : NumberText.short(value)
  }

  private func interval(_ figure: ShapeFigure) -> String {
    if figure.isExact { return "exact" }
    guard figure.value.low != figure.value.high else { return "" }
    return "\(NumberText.short(figure.value.low)) to \(NumberText.short(figure.value.high))"
  }
}

import BenchPlan
import RingKit

/// A report of counts and of figures that no other command has: its rows become a document's rows by their own names.
protocol PlainReport: TextReport, Encodable {
  var machine: Machine { get }
  /// What its rows are.
  static var kind: ResultRow.Kind { get }
  /// Fields of a row that tell it from others; other numbers are figures.
  static var dimensions: Set<String> { get }
  /// Where its rows stand in its JSON.
  static var rowsKey: String { get }
}

extension PlainReport {
  static var dimensions: Set<String> { [] }
  static var rowsKey: String { "results" }

  package func document(_ run: RunRecord) throws(BenchError) -> ResultDocument {
    var fields = try JSONValue.of(self).object ?? [:]
    var document = ResultDocument(run: run, machine: machine)
    document.parameters = fields["parameters"]?.object ?? [:]
    document.answer = fields["answer"]?.string
    do {
      let rows = fields[Self.rowsKey]
      for row in rows?.array ?? rows.map({ [$0] }) ?? [] {
        document.results.append(try ResultRow(row, Self.kind, dimensions: Self.dimensions))
      }
    } catch {
      throw .check("a row cannot be written: \(error)")
    }
    for key in ["machine", "parameters", "answer", "interrupted", "disturbed", Self.rowsKey] { fields[key] = nil }
    fields = fields.filter { $0.value != .null }
    document.details = fields.isEmpty ? nil : fields
    document.addCautions(interrupted: interrupted)
    return document
  }
}

extension ResultRow {
  /// A row by the names its own type gives it: what a document has a field for goes there, text and dimensions become
  /// labels, other numbers figures.
  init(_ value: JSONValue, _ kind: Kind, dimensions: Set<String>) throws {
    self.init(kind)
    for (key, field) in (value.object ?? [:]).sorted(by: { $0.key < $1.key }) where field != .null {
      switch key {
      case "ring": ring = try field.decoded(RingLayout.self)
      case "path": path = DMAPath(rawValue: field.string ?? "")
      case "direction": direction = try field.decoded(DMADirection.self)
      case "bytes" where dimensions.contains("bytes"): bytes = field.integer
      case "depth": depth = field.integer
      case "placement": placement = try field.decoded(PlacementFigure.self)
      case "counters": counters = try field.decoded([String: Double].self)
      case "latencyNs": latency = try field.decoded(Latency.self)
      case "error", "why": note = field.string
      default: add(key, field, dimensions)
      }
    }
    // A path that only this command has.
    if path == nil { labels["path"] = value["path"]?.string }
  }

  private mutating func add(_ key: String, _ field: JSONValue, _ dimensions: Set<String>) {
    if let number = field.number, !dimensions.contains(key) {
      figures = (figures ?? []) + [ResultFigure(key, unit: ResultFigure.unit(of: key), exactly: number)]
    } else if let object = field.object, object.count == 3, let range = try? field.decoded(Estimate.self) {
      var figure = ResultFigure(key, unit: ResultFigure.unit(of: key), exactly: range.median)
      (figure.low, figure.high) = (range.low, range.high)
      figures = (figures ?? []) + [figure]
    } else if let object = field.object {
      for (inner, value) in object.sorted(by: { $0.key < $1.key }) where value != .null {
        add(key + inner.prefix(1).uppercased() + inner.dropFirst(), value, dimensions)
      }
    } else if let array = field.array {
      // Text alone; lists of anything else cannot be in a row.
      let words = array.compactMap(\.string)
      if !words.isEmpty { labels[key] = words.joined(separator: " ") }
    } else {
      labels[key] = field.text
    }
  }
}

extension ResultFigure {
  /// By the words of the name: `latencyNanosecondsP50` is a time, `kernelInstructions` is not.
  static func unit(of name: String) -> String {
    var words = [""]
    for letter in name {
      if letter.isUppercase { words.append("") }
      words[words.count - 1] += letter.lowercased()
    }
    if words.contains("ns") || words.contains("nanoseconds") { return "ns" }
    if words.suffix(2) == ["per", "second"] { return "1/s" }
    if words.contains("bytes") { return "bytes" }
    return "1"
  }
}

extension DriveReport: PlainReport {
  static var kind: ResultRow.Kind { .device }
  package var emptiness: String? { nil }
}

extension VFIOReport: PlainReport {
  static var kind: ResultRow.Kind { .device }
  package var seed: UInt64? { parameters.seed }
}

extension GuestReport: PlainReport {
  static var kind: ResultRow.Kind { .guest }
  static var dimensions: Set<String> { ["bytes"] }
}

extension ExhaustReport: PlainReport {
  static var kind: ResultRow.Kind { .exhaust }
  static var dimensions: Set<String> { ["bytes", "poolBytes", "areas"] }
}

extension SimulateReport: PlainReport {
  static var kind: ResultRow.Kind { .prediction }
  static var dimensions: Set<String> { ["cpus"] }
  package var seed: UInt64? { parameters.seed }
}

extension TopologyReport: PlainReport {
  static var kind: ResultRow.Kind { .roundTrip }
  static var rowsKey: String { "roundTrip" }
  static var dimensions: Set<String> { ["driverCPU", "deviceCPU"] }
  package var interrupted: Bool { Interrupt.isRequested }
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

@_exported import BenchPlan
import RingKit

/// A report of counts and of figures that no other command has: its rows become a document's rows by their own names.
package protocol PlainReport: TextReport, Encodable {
  var machine: Machine { get }
  /// What its rows are.
  static var kind: ResultRow.Kind { get }
  /// Fields of a row that tell it from others; other numbers are figures.
  static var dimensions: Set<String> { get }
  /// Where its rows stand in its JSON.
  static var rowsKey: String { get }
}

extension PlainReport {
  package static var dimensions: Set<String> { [] }
  package static var rowsKey: String { "results" }

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

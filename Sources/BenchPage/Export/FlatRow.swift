import BenchDocument
import FoundationEssentials

/// A result's row as one line of a table: what it is about, its figures, and which run it is of.
struct FlatRow {
  /// Columns that every row has, and those that it has of its own, in order.
  private(set) var cells: [(key: String, value: JSONValue)] = []

  init(_ row: ResultRow, of document: ResultDocument) {
    add("startedAt", document.run.startedAt)
    add("host", document.run.host)
    add("command", document.run.command)
    add("commit", document.run.commit)
    add("version", document.run.version)
    add("cpuModel", document.machine.cpuModel)
    add("kernel", document.machine.kernel)
    add("kind", row.kind.rawValue)
    add("ring", row.ring?.name)
    add("path", row.path?.name)
    add("direction", row.direction?.name)
    add("bytes", row.bytes.map(Double.init))
    add("depth", row.depth.map(Double.init))
    add("batch", row.batch.map(Double.init))
    add("class", row.placement?.class.name)
    add("roundTripNs", row.placement?.roundTripNs)
    add("nsPerBuffer", row.nsPerBuffer)
    add("buffersPerSecond", row.buffersPerSecond?.median)
    add("ratioToDirect", row.ratioToDirect)
    add("ratioToSwiotlb", row.ratioToSwiotlb)
    add("ratioToFloor", row.ratioToFloor)
    add("slicesKept", row.slicesKept.map(Double.init))
    add("slicesDropped", row.slicesDropped.map(Double.init))
    add("price", row.price)
    cells.append(("injected", row.injected.map { .bool($0) } ?? .null))
    cells.append(("isolated", row.isolated.map { .bool($0) } ?? .null))
    cells.append(("disturbed", .bool(document.isDisturbed)))
    add("note", row.note)
    if let latency = row.latency {
      add("latencyCount", Double(latency.count))
      add("latencyP50Ns", latency.p50)
      add("latencyP90Ns", latency.p90)
      add("latencyP99Ns", latency.p99)
      add("latencyP999Ns", latency.p999)
      add("latencyMaxNs", latency.max)
    }
    for key in row.labels.keys.sorted() { add("label \(key)", row.labels[key]) }
    for figure in row.figures ?? [] {
      let name = figure.unit == "1" ? figure.name : "\(figure.name) (\(figure.unit))"
      add("figure \(name)", figure.value)
      if figure.low != nil { add("figure \(name) low", figure.low) }
      if figure.high != nil { add("figure \(name) high", figure.high) }
    }
    let counters = row.counters ?? [:]
    for key in counters.keys.sorted() { add("count \(key)", counters[key]) }
  }

  private mutating func add(_ key: String, _ value: String?) {
    cells.append((key, value.map { .string($0) } ?? .null))
  }

  private mutating func add(_ key: String, _ value: Double?) {
    guard let value, value.isFinite else { return cells.append((key, .null)) }
    let isWhole = value == value.rounded() && abs(value) < 1e15
    cells.append((key, isWhole ? .integer(Int(value)) : .number(Rounded.value(value, digits: 6))))
  }

  private mutating func add(_ key: String, _ estimate: Estimate?) {
    add(key, estimate.map { Rounded.value($0.median) })
    add("\(key)Low", estimate.map { Rounded.value($0.low) })
    add("\(key)High", estimate.map { Rounded.value($0.high) })
  }
}

/// Comma-separated values as RFC 4180 has them, but with line ends of Unix.
enum CSVExport {
  static func text(_ documents: [ResultDocument]) -> String {
    let rows = documents.flatMap { document in document.results.map { FlatRow($0, of: document) } }
    var columns: [String] = []
    var indices: [String: Int] = [:]
    for row in rows {
      for (key, _) in row.cells where indices[key] == nil {
        indices[key] = columns.count
        columns.append(key)
      }
    }
    var text = columns.map(field).joined(separator: ",") + "\n"
    for row in rows {
      var cells = [String](repeating: "", count: columns.count)
      for (key, value) in row.cells {
        if let index = indices[key], value != .null { cells[index] = field(value.text) }
      }
      text += cells.joined(separator: ",") + "\n"
    }
    return text
  }

  private static func field(_ text: String) -> String {
    guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

/// One JSON object a line, as databases load them: the same columns as the comma-separated values.
enum NDJSONExport {
  static func text(_ documents: [ResultDocument]) throws(BenchError) -> String {
    var text = ""
    for document in documents {
      for row in document.results {
        var object: [String: JSONValue] = [:]
        for (key, value) in FlatRow(row, of: document).cells { object[key] = value }
        text += try line(object) + "\n"
      }
    }
    return text
  }

  private static func line(_ object: [String: JSONValue]) throws(BenchError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(object), as: UTF8.self)
    } catch {
      throw .check("the result cannot be written as JSON: \(error)")
    }
  }
}

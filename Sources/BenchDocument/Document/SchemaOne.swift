import BenchPlan
import RingKit

/// Files from before there was an identity of runs and slices: rows alone, as far as today's have a field for it.
enum SchemaOne {
  static func read(_ file: JSONValue, named name: String) throws(BenchError) -> ResultDocument {
    guard let machine = file["machine"]?.object, let parameters = file["parameters"]?.object else {
      throw .usage("\(name) is not a result of ringbench: it has no machine or no parameters")
    }
    let subcommand =
      file["crossovers"] != nil
      ? "sweep" : file["shapes"] != nil ? "shapes" : parameters["points"] != nil ? "ring" : "cost"
    do {
      let run = RunRecord(
        startedAt: "unknown", subcommand: subcommand, command: "ringbench \(subcommand)",
        commit: machine["commit"]?.string ?? "unknown", version: machine["ringKit"]?.string ?? "unknown",
        toolchain: machine["toolchain"]?.string ?? "unknown", optimised: machine["optimised"]?.bool ?? true,
        seed: parameters["seed"]?.text)
      var document = ResultDocument(run: run, machine: try JSONValue.object(machine).decoded(Machine.self))
      document.schema = 1
      document.parameters = parameters
      document.answer = file["answer"]?.string
      document.slicesDroppedBy = try file["slicesDroppedBy"]?.decoded([DropReason: Int].self)
      document.memory = try file["memory"]?.decoded([MemoryPlacement].self)
      for row in file["results"]?.array ?? [] { document.results += try rows(row, subcommand) }
      for pair in file["crossovers"]?.array ?? [] {
        document.crossovers = (document.crossovers ?? []) + [try crossover(pair)]
      }
      for primitive in file["primitives"]?.array ?? [] { document.results.append(try self.primitive(primitive)) }
      if file["interrupted"]?.bool == true { document.warn(.interrupted, Lines.interrupted) }
      if file["disturbed"]?.bool == true { document.warn(.disturbed, Lines.disturbed) }
      if !run.optimised { document.warn(.debugBuild, Lines.debugBuild) }
      return document
    } catch {
      throw .usage("\(name) is not a result of ringbench: a field of it cannot be read (\(error))")
    }
  }

  private static func rows(_ row: JSONValue, _ subcommand: String) throws -> [ResultRow] {
    if let reason = row["refused"]?.string {
      var refused = try common(row, .refused)
      refused.note = reason
      return [refused]
    }
    guard subcommand == "ring" else { return [try common(row, .path)] }
    var ring = try common(row, .ring)
    ring.depth = row["outstanding"]?.integer
    ring.labels = RingLabels.of(row)
    ring.note = row["floor"]?.string
    if let floor = try row["floorNsPerBuffer"].flatMap(estimate) {
      ring.figures = [ResultFigure("floorNs", unit: "ns", floor)]
    }
    ring.ratioToFloor = try row["ratioToFloor"].flatMap(estimate)
    ring.modes = try row["modes"]?.decoded(Modes.self)
    ring.latency = try row["roundTripLatencyNs"].flatMap { $0 == .null ? nil : try $0.decoded(Latency.self) }
    let floors = try (row["floors"]?.array ?? []).map { floor in
      var line = ResultRow(.floor)
      (line.ring, line.batch, line.depth, line.placement) = (ring.ring, ring.batch, ring.depth, ring.placement)
      line.labels = ring.labels
      line.labels["floor"] = floor["name"]?.string
      line.nsPerBuffer = try floor["nsPerBuffer"].flatMap(estimate)
      line.ratioToFloor = try floor["ratio"].flatMap(estimate)
      line.note = floor["isReference"]?.bool == true ? "reference" : nil
      return line
    }
    return [ring] + floors
  }

  /// Fields that have the name and the form they have today.
  private static let unchanged: Set = [
    "ring", "path", "direction", "bytes", "depth", "batch", "placement", "nsPerBuffer", "buffersPerSecond",
    "ratioToDirect", "ratioToSwiotlb", "slicesKept", "slicesDropped", "counters", "price", "injected", "isolated",
  ]

  private static func common(_ row: JSONValue, _ kind: ResultRow.Kind) throws -> ResultRow {
    var fields = (row.object ?? [:]).filter { unchanged.contains($0.key) }
    (fields["kind"], fields["labels"]) = (.string(kind.rawValue), .object([:]))
    return try JSONValue.object(fields).decoded(ResultRow.self)
  }

  private static func estimate(_ value: JSONValue) throws -> Estimate? {
    value == .null ? nil : try value.decoded(Estimate.self)
  }

  private static func primitive(_ value: JSONValue) throws -> ResultRow {
    var row = ResultRow(.primitive)
    row.path = try value["path"].flatMap { $0 == .null ? nil : try $0.decoded(DMAPath.self) }
    row.bytes = value["bytes"]?.integer
    row.labels = value["name"]?.string.map { ["primitive": $0] } ?? [:]
    row.placement = try value["placement"]?.decoded(PlacementClass.self).figure
    row.nsPerBuffer = try value["ns"].flatMap(estimate)
    return row
  }

  private static func crossover(_ value: JSONValue) throws -> Crossover {
    let prediction = value["predicted"]
    return Crossover(
      ring: try part(value, "ring"), direction: try part(value, "direction"), placement: try part(value, "placement"),
      paths: try part(value, "paths"), sizes: try part(value, "sizes"), meetings: try part(value, "crossovers"),
      cheaperThroughout: try value["cheaperThroughout"].flatMap { $0 == .null ? nil : try $0.decoded(DMAPath.self) },
      predictedBytes: prediction?["bytes"]?.number, predictedBytesWithSearch: prediction?["bytesWithOverhead"]?.number)
  }

  private static func part<Value: Decodable>(_ value: JSONValue, _ key: String) throws -> Value {
    try (value[key] ?? .null).decoded(Value.self)
  }
}

extension PlacementClass {
  /// Without a round trip.
  fileprivate var figure: PlacementFigure { PlacementFigure(self, nil) }
}

/// What tells the points of a `ring` run apart beyond ring, batch and depth.
enum RingLabels {
  static func of(_ point: RingPoint) -> [String: String] {
    [
      "batch": "\(point.batch)", "outstanding": "\(point.outstanding)", "inOrder": "\(point.inOrder)",
      "queueSize": "\(point.queueSize)", "chain": "\(point.chain)",
      "indirect": "\(point.indirect)", "eventIdx": "\(point.eventIndex)", "notification": point.notification.name,
    ]
  }

  static func of(_ row: JSONValue) -> [String: String] {
    var labels: [String: String] = [:]
    for key in ["batch", "outstanding", "inOrder", "queueSize", "chain", "indirect", "eventIdx", "notification"] {
      labels[key] = row[key]?.text
    }
    return labels
  }
}

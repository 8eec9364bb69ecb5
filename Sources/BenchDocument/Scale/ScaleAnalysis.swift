import BenchPlan
import RingKit

/// Turns the slices of a `scale` run into rows, and into what became of each path along each axis.
struct ScaleAnalysis {
  private let parameters: ScaleParameters
  private let keys: [ScaleKey]
  private let run: PairedRun

  init(_ parameters: ScaleParameters, _ keys: [ScaleKey], _ run: PairedRun) {
    (self.parameters, self.keys, self.run) = (parameters, keys, run)
  }

  func rows() -> [ResultRow] {
    PlacementClass.allCases.flatMap { placement in keys.indices.compactMap { row($0, placement) } }
  }

  /// A row for each path on each axis, of the classes in which both its ends were measured.
  func growth(_ machine: Machine) -> [ResultRow] {
    var rows: [ResultRow] = []
    for placement in PlacementClass.allCases {
      for (first, last) in ends() {
        guard let ratio = ratio(last, to: first, placement), let low = row(first, placement),
          let high = row(last, placement)
        else { continue }
        var growth = ResultRow(.growth)
        (growth.ring, growth.path, growth.direction, growth.bytes) = (low.ring, low.path, low.direction, low.bytes)
        growth.labels = ["axis": keys[first].point.axis.name]
        growth.placement = low.placement
        growth.figures = [ResultFigure("lastByFirst", unit: "1", ratio)]
        growth.note = ScaleGrowth(ratio, from: low, to: high, machine).text
        rows.append(growth)
      }
    }
    return rows
  }

  /// The first and the last case of each path on each axis and ring.
  private func ends() -> [(first: Int, last: Int)] {
    var ends: [(first: Int, last: Int)] = []
    for number in keys.indices {
      let key = keys[number]
      let at = ends.firstIndex { keys[$0.first].path == key.path && keys[$0.first].point.isBeside(key.point) }
      if let at { ends[at].last = number } else { ends.append((number, number)) }
    }
    return ends.filter { $0.first != $0.last }
  }

  private func row(_ number: Int, _ placement: PlacementClass) -> ResultRow? {
    let (key, cost) = (keys[number], parameters.cost(keys[number].point))
    var row = ResultRow(.scale)
    guard row.setTimes(number, placement, run) else { return nil }
    (row.ring, row.path, row.direction, row.bytes) = (key.point.ring, key.path, parameters.direction, parameters.bytes)
    (row.depth, row.batch) = (cost.depth, cost.batch)
    row.labels = ScaleLabels.of(key.point.axis, key.point.value)
    row.counters = ResultRow.rounded(run.run.counters[number])
    // Of all points so far: they share the pool.
    row.counters?["poolHighWaterSlots"] = nil
    row.figures = [ResultFigure("footprintBytes", unit: "bytes", exactly: Double(footprint(key, cost)))]
    if key.point.axis == .queues {
      row.figures?.append(ResultFigure("threads", unit: "1", Double(cost.queueThreads == .own ? 2 * cost.queues : 2)))
    }
    let first = keys.firstIndex { $0.path == key.path && $0.point.isBeside(key.point) }
    if let first, let ratio = ratio(number, to: first, placement) {
      row.figures?.append(ResultFigure("ratioToFirst", unit: "1", ratio))
    }
    return row
  }

  /// One case's time by another's; of queues with threads of their own the time of one thread, not of all of them.
  private func ratio(_ number: Int, to first: Int, _ placement: PlacementClass) -> Estimate? {
    guard number != first else { return .exactly(1) }
    guard let ratio = run.ratio(number, to: first, placement) else { return nil }
    let factor = threads(number) / threads(first)
    return Estimate(median: ratio.median * factor, low: ratio.low * factor, high: ratio.high * factor)
  }

  private func threads(_ number: Int) -> Double {
    let cost = parameters.cost(keys[number].point)
    return cost.queueThreads == .own ? Double(cost.queues) : 1
  }

  // What a driver keeps of a slot: entry, link, mapping and its place among the free ones.
  private static let bytesOfSlot = 36

  /// Bytes that go round through the caches: rings, whose slots all have their turn, payload, and its copy.
  private func footprint(_ key: ScaleKey, _ cost: CostParameters) -> Int {
    let ring = key.point.ring == .split ? SplitRing.byteCount(size: cost.queueSize) : 16 * cost.queueSize
    let buffers = cost.depth * Payload.stride(for: parameters.bytes)
    let copies = [.swiotlb, .shadow].contains(key.path) ? 2 : 1
    return cost.queues * (ring + cost.queueSize * Self.bytesOfSlot + copies * buffers)
  }
}

extension ScalePoint {
  /// Whether only the value differs.
  func isBeside(_ other: ScalePoint) -> Bool { axis == other.axis && ring == other.ring }
}

/// Whether a path's cost stays as it is along an axis, and if not what grew with it.
struct ScaleGrowth {
  /// The verdict on a path whose cost stays.
  static let flat = "flat"
  /// Within this of 1 a ratio is no growth that a reader would act upon.
  static let tolerance = 0.1
  /// Where the interval's ends are further apart than this, it says neither.
  static let widest = 1.5
  // Work that costs next to nothing, or that stands for other work in the list.
  private static let cheap: Set<String> = [
    WorkEvent.iovaFromMagazine.rawValue, WorkEvent.iotlbHits.rawValue, WorkEvent.deferredUnmaps.rawValue,
    WorkEvent.notificationsSuppressed.rawValue,
  ]

  private let ratio: Estimate
  private let changes: [(name: String, from: Double, to: Double)]
  private let footprints: (from: Int, to: Int)
  private let caches: [CacheDescription]

  init(_ ratio: Estimate, from first: ResultRow, to last: ResultRow, _ machine: Machine) {
    self.ratio = ratio
    let (before, after) = (first.counters ?? [:], last.counters ?? [:])
    changes = Set(before.keys).union(after.keys).subtracting(Self.cheap).sorted().map { name in
      (name, before[name, default: 0], after[name, default: 0])
    }
    footprints = (Self.footprint(first), Self.footprint(last))
    caches = machine.caches
  }

  private static func footprint(_ row: ResultRow) -> Int { Int(row.figure("footprintBytes")?.value ?? 0) }

  /// No more than the tolerance from 1, as far as the interval tells.
  static func isFlat(_ ratio: Estimate) -> Bool { ratio.low <= 1 + tolerance && ratio.high >= 1 / (1 + tolerance) }

  var text: String {
    if Self.isFlat(ratio) {
      return ratio.high <= Self.widest * ratio.low ? Self.flat : "open: the interval is too wide to tell"
    }
    return (ratio.median > 1 ? "grows: " : "falls: ") + reason
  }

  /// The counts that went the same way as the cost, those that changed most first; else how much memory goes round.
  private var reason: String {
    let isGrowth = ratio.median > 1
    let moved = changes.filter { change in
      let difference = isGrowth ? change.to - change.from : change.from - change.to
      return difference > 0.02 && difference > 0.02 * change.from
    }.sorted { abs($0.to - $0.from) > abs($1.to - $1.from) }
    guard moved.isEmpty else {
      return moved.prefix(2).map {
        "\($0.name) \(Self.count($0.from)) to \(Self.count($0.to)) a buffer"
      }.joined(separator: ", ")
    }
    let from = level(footprints.from)
    let to = level(footprints.to)
    let sizes = "\(Self.size(footprints.from)) to \(Self.size(footprints.to)) go round"
    let same = footprints.from == footprints.to
    return "the same work; " + (same ? "the same bytes, further apart" : sizes + (from == to ? "" : ", \(to)"))
  }

  /// 1, 0.5, 8.25.
  private static func count(_ number: Double) -> String {
    var text = fixed(number, 2)
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text
  }

  /// In the unit that leaves few digits.
  private static func size(_ bytes: Int) -> String {
    bytes < 1 << 20 ? "\(short(Double(bytes) / 1024)) KiB" : "\(short(Double(bytes) / Double(1 << 20))) MiB"
  }

  /// The smallest cache that holds so much.
  private func level(_ bytes: Int) -> String {
    let data = caches.filter { $0.type != "instruction" }.sorted { $0.level < $1.level }
    return data.first { $0.bytes >= bytes }.map { "which L\($0.level) holds" } ?? "which no cache holds"
  }
}

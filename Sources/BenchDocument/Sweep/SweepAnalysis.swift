import BenchPlan
import RingKit

/// What mapping and copying cost alone, in one placement class, and what that predicts.
struct Primitives: Sendable {
  /// Nanoseconds each.
  let times: [(key: PrimitiveKey, time: Estimate)]

  /// Nanoseconds, or with `asBandwidth` bytes a nanosecond, by size.
  func curve(_ kind: PrimitiveKey.Kind, asBandwidth: Bool = false) -> LogCurve? {
    var points: [(bytes: Double, value: Double)] = []
    for (key, time) in times where key.kind == kind {
      let bytes = Double(key.bytes)
      points.append((bytes, asBandwidth ? bytes / time.median : time.median))
    }
    return LogCurve(points)
  }

  /// Where a path that copies and one that maps should meet: by the formula, and with the copying path's search
  /// counted.
  func crossover(
    copying: DMAPath, mapping: DMAPath, _ direction: DMADirection
  ) -> (formula: CrossoverPrediction, withOverhead: CrossoverPrediction)? {
    guard let copies = copying.copies(direction), mapping.maps,
      let bandwidth = curve(copying.walksPool ? .copyToPool : .copyInPlace, asBandwidth: true),
      let mapTime = curve(.mapping(mapping))
    else { return nil }
    var overhead = 0.0
    // The smallest buffer, without its copy.
    let own = times.filter { $0.key.kind == .mapping(copying) }
    if let smallest = own.min(by: { $0.key.bytes < $1.key.bytes }) {
      let bytes = Double(smallest.key.bytes)
      overhead = max(0, smallest.time.median - bytes / bandwidth.value(at: bytes))
    }
    return (
      CrossoverPrediction.solve(copies: copies, bandwidth: bandwidth, mapping: mapTime),
      CrossoverPrediction.solve(copies: copies, bandwidth: bandwidth, mapping: mapTime, overhead: overhead)
    )
  }
}

/// Turns the slices of a sweep into rows, crossovers and checks.
final class SweepAnalysis {
  private let parameters: CostParameters
  private let keys: [CostKey]
  private let run: PairedRun
  private var numbers: [CostKey: Int] = [:]
  private var primitiveTimes: [(key: PrimitiveKey, placement: PlacementClass, time: Estimate)] = []
  private(set) var primitiveRows: [ResultRow] = []

  /// The run's cases are those of `keys`, then those of `primitives`.
  init(parameters: CostParameters, keys: [CostKey], primitives: [PrimitiveKey], run: PairedRun) {
    self.parameters = parameters
    self.keys = keys
    self.run = run
    for (number, key) in keys.enumerated() { numbers[key] = number }
    for placement in PlacementClass.allCases {
      for (index, key) in primitives.enumerated() {
        guard let time = run.time(keys.count + index, placement) else { continue }
        primitiveTimes.append((key, placement, time))
        var row = ResultRow(.primitive)
        (row.path, row.bytes, row.labels) = (key.path, key.bytes, ["primitive": key.name])
        if row.setTimes(keys.count + index, placement, run) { primitiveRows.append(row) }
      }
    }
  }

  /// The rings' rows.
  func rows() -> [ResultRow] {
    var rows: [ResultRow] = []
    for (number, key) in keys.enumerated() {
      for placement in PlacementClass.allCases {
        let row = ResultRow(
          number, key, baseline: numbers[key.baseline], bounce: numbers[key.bounce], placement, run, parameters)
        if let row { rows.append(row) }
      }
    }
    return rows
  }

  /// Every two paths, over the sizes both take.
  func pairs() -> [Crossover] {
    var pairs: [Crossover] = []
    let paths = parameters.measuredPaths
    for placement in PlacementClass.allCases {
      let primitives = Primitives(
        times: primitiveTimes.filter { $0.placement == placement }.map { ($0.key, $0.time) })
      for ring in parameters.rings {
        for direction in parameters.directions {
          for (index, first) in paths.enumerated() {
            for second in paths[(index + 1)...] {
              let key = CostKey(ring: ring, path: first, direction: direction, bytes: 0)
              let points = points(key, second, placement)
              guard let low = points.first?.bytes, let high = points.last?.bytes else { continue }
              pairs.append(
                Crossover(
                  key, second, placement, sizes: [low, high], CrossoverFinder(seed: parameters.seed).find(points),
                  primitives.crossover(copying: first, mapping: second, direction)
                    ?? primitives.crossover(copying: second, mapping: first, direction)))
            }
          }
        }
      }
    }
    return pairs
  }

  /// Hybrid's time at each size by that of the better of the two paths it is made of, slice by slice of the same round.
  func hybridChecks() -> [ResultRow] {
    let parents = parameters.measuredPaths.filter { $0 == .shadow || $0 == .iommuStrict }
    guard parents.count == 2 else { return [] }
    var checks: [ResultRow] = []
    for placement in PlacementClass.allCases {
      for (number, key) in keys.enumerated() where key.path == .hybrid {
        var best: (path: DMAPath, number: Int, time: Double)?
        for path in parents {
          var other = key
          other.path = path
          guard let at = numbers[other], let time = run.time(at, placement)?.median else { continue }
          if time < best?.time ?? .infinity { best = (path, at, time) }
        }
        guard let best, let ratio = run.ratio(number, to: best.number, placement) else { continue }
        var row = ResultRow(.hybridCheck)
        (row.ring, row.path, row.direction, row.bytes) = (key.ring, .hybrid, key.direction, key.bytes)
        row.labels = ["better": best.path.name]
        row.placement = PlacementFigure(placement, nil)
        row.figures = [ResultFigure("ratioToBetter", unit: "1", ratio)]
        checks.append(row)
      }
    }
    return checks
  }

  private func points(_ key: CostKey, _ second: DMAPath, _ placement: PlacementClass) -> [CrossoverFinder.Point] {
    var (first, other, points) = (key, key, [CrossoverFinder.Point]())
    other.path = second
    for bytes in ascending(parameters.sizes) {
      (first.bytes, other.bytes) = (bytes, bytes)
      guard let a = numbers[first], let b = numbers[other] else { continue }
      let ratios = run.ratios(a, to: b, placement)
      if !ratios.isEmpty { points.append(CrossoverFinder.Point(bytes: bytes, ratios: ratios)) }
    }
    return points
  }
}

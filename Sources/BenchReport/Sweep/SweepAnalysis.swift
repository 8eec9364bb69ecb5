import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// Turns the slices of a sweep into rows, crossovers and predictions, class by class.
package struct SweepAnalysis {
  private let parameters: CostParameters
  private let keys: [CostKey]
  private let run: PairedRun
  private let numbers: [CostKey: Int]
  package let primitiveRows: [PrimitiveRow]

  /// The run's contenders are those of `keys`, then those of `primitives`.
  package init(parameters: CostParameters, keys: [CostKey], primitives: [PrimitiveKey], run: PairedRun) {
    self.parameters = parameters
    self.keys = keys
    self.run = run
    numbers = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, $0) })
    primitiveRows = PlacementClass.allCases.flatMap { placement in
      primitives.enumerated().compactMap { index, key in
        run.time(keys.count + index, placement).map { PrimitiveRow(key: key, placement: placement, time: $0) }
      }
    }
  }

  /// The rings' rows.
  package func rows() -> [SweepRow] {
    keys.enumerated().flatMap { number, key in
      PlacementClass.allCases.compactMap { row(number, key, $0) }
    }
  }

  private func row(_ number: Int, _ key: CostKey, _ placement: PlacementClass) -> SweepRow? {
    guard let time = run.time(number, placement) else { return nil }
    let slices = run.sorter.kept(number, placement)
    let baseline = numbers[key.baseline]
    let row = CostRow(
      ring: key.ring, path: key.path, direction: key.direction, bytes: key.bytes, depth: parameters.depth,
      batch: parameters.batch, placement: placement,
      roundTrip: Percentile.median(slices.map(\.conditions.roundTrip)) ?? 0, nanosecondsPerBuffer: time,
      ratioToDirect: baseline == number ? .exactly(1) : baseline.flatMap { run.ratio(number, to: $0, placement) },
      slicesKept: slices.count, slicesDropped: run.sorter.dropped[number], counters: run.run.counters[number] ?? [:],
      price: parameters.iommu.price(of: key.path), injected: parameters.iommu.isInjected(key.path))
    return SweepRow(key: key, result: .measured(row))
  }

  /// Every two paths, over the sizes both take.
  package func pairs() -> [PathPair] {
    var pairs: [PathPair] = []
    let paths = parameters.measuredPaths
    for placement in PlacementClass.allCases {
      let primitives = primitives(placement)
      for ring in parameters.rings {
        for direction in parameters.directions {
          for (index, first) in paths.enumerated() {
            for second in paths[(index + 1)...] {
              let points = points(ring, direction, first, second, placement)
              guard let low = points.first?.bytes, let high = points.last?.bytes else { continue }
              pairs.append(
                PathPair(
                  ring: ring, direction: direction, placement: placement, first: first, second: second,
                  sizes: low...high, finding: CrossoverFinder(seed: parameters.seed).find(points),
                  prediction: primitives.crossover(copying: first, mapping: second, direction)
                    ?? primitives.crossover(copying: second, mapping: first, direction)))
            }
          }
        }
      }
    }
    return pairs
  }

  /// What hybrid is held against: the two paths it is made of.
  package func hybridChecks() -> [HybridCheck] {
    guard let hybrid = DMAPath.allCases.first(where: { $0.rawValue == "hybrid" }) else { return [] }
    let parents = parameters.measuredPaths.filter { ["shadow", "iommu-strict"].contains($0.rawValue) }
    guard parents.count == 2, parameters.measuredPaths.contains(hybrid) else { return [] }
    var checks: [HybridCheck] = []
    for placement in PlacementClass.allCases {
      for key in keys where key.path == hybrid {
        guard let number = numbers[key] else { continue }
        let others = parents.compactMap { path -> (path: DMAPath, number: Int, time: Double)? in
          var other = key
          other.path = path
          guard let at = numbers[other], let time = run.time(at, placement) else { return nil }
          return (path, at, time.median)
        }
        guard let better = others.min(by: { $0.time < $1.time }),
          let ratio = run.ratio(number, to: better.number, placement)
        else { continue }
        checks.append(
          HybridCheck(
            ring: key.ring, direction: key.direction, placement: placement, bytes: key.bytes, better: better.path,
            ratio: ratio))
      }
    }
    return checks
  }

  package func primitives(_ placement: PlacementClass) -> Primitives {
    Primitives(times: primitiveRows.filter { $0.placement == placement }.map { ($0.key, $0.time) })
  }

  private func points(
    _ ring: RingLayout, _ direction: DMADirection, _ first: DMAPath, _ second: DMAPath, _ placement: PlacementClass
  ) -> [CrossoverFinder.Point] {
    parameters.sizes.sorted().compactMap { bytes in
      let key = CostKey(ring: ring, path: first, direction: direction, bytes: bytes)
      guard let a = numbers[key], let b = numbers[CostKey(ring: ring, path: second, direction: direction, bytes: bytes)]
      else { return nil }
      let ratios = run.ratios(a, to: b, placement)
      return ratios.isEmpty ? nil : CrossoverFinder.Point(bytes: bytes, ratios: ratios)
    }
  }
}

#if Bench
import BenchPaths
import BenchPlan
import BenchReport
import RingKit

/// Shape B: a sweep of a path that copies against one that maps, in both directions.
struct CopyShape {
  private static let sizes = [64, 256, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536, 131_072, 262_144]
  // A prediction from two primitives that is further off than this explains nothing.
  private static let tolerance = 2.0

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var cost = bench.cost
    cost.paths = [.iommuStrict, .viommu, .swiotlb]
    cost.directions = DMADirection.allCases
    cost.sizes = Self.sizes
    let report = try SweepMeasurement(cost, bench.machine).run(progress: bench.progress)
    var result = bench.result([.bounceInstead, .shadowBuffers])
    let measured = report.results.compactMap(\.placement?.class)
    let placement = bench.parameters.placement.map { measured.contains($0) ? $0 : nil } ?? report.mainClass
    let trips = report.results.compactMap(\.placement).filter { $0.class == placement }.compactMap(\.roundTripNs)
    result.conditions = ShapeConditions(
      placement: placement, roundTrip: Percentile.median(trips), slicesDroppedBy: report.slicesDroppedBy,
      isDisturbed: report.disturbed)
    let pairs = report.crossovers.filter { $0.placement == placement && $0.paths == [.iommuStrict, .swiotlb] }
    guard pairs.count == cost.directions.count else {
      result.concludeUnmeasured()
      return result
    }
    for pair in pairs { add(pair, &result) }
    addEmulated(report, placement, &result)
    conclude(pairs, &result)
    return result
  }

  private func add(_ pair: PathPair, _ result: inout ShapeResult) {
    let way = "\(pair.direction.name), k = \(pair.copies)"
    let predicted = pair.predicted
    let meetings = pair.crossovers
    result.add("S*, \(way)", unit: "bytes", predicted: predicted?.bytes, measured: meetings.last?.bytes)
    result.add("S* with the search, \(way)", unit: "bytes", predicted: predicted?.bytesWithOverhead, measured: nil)
    if meetings.count > 1 {
      result.add(
        "first of \(meetings.count) crossovers, \(way)", unit: "bytes", predicted: nil, measured: meetings[0].bytes)
    }
  }

  /// With an invalidation that is priced as an exit: the published comparison.
  private func addEmulated(_ report: SweepReport, _ placement: PlacementClass?, _ result: inout ShapeResult) {
    for bytes in [4_096, 16_384, 65_536, 131_072] {
      let times = report.results.filter {
        $0.placement?.class == placement && $0.bytes == bytes && $0.direction == .deviceWritable
      }
      guard let mapped = times.first(where: { $0.path == .viommu })?.nsPerBuffer,
        let copied = times.first(where: { $0.path == .swiotlb })?.nsPerBuffer
      else { continue }
      result.add(
        "viommu by swiotlb, \(NumberText.bytes(bytes)), device-writable", unit: "times", predicted: nil,
        measured: .exactly(mapped.median / copied.median))
    }
  }

  private func conclude(_ pairs: [PathPair], _ result: inout ShapeResult) {
    var failures: [String] = []
    var successes: [String] = []
    for pair in pairs {
      let meetings = pair.crossovers
      let copyingWinsSmall = meetings.first.map { $0.cheaperBelow == .swiotlb } ?? false
      let mappingWinsLarge = meetings.last.map { $0.cheaperBelow == .swiotlb } ?? false
      guard copyingWinsSmall, mappingWinsLarge, let first = meetings.first, let last = meetings.last else {
        failures.append("\(pair.direction.name): \(pair.sentence)")
        continue
      }
      guard let predicted = pair.predicted?.bytes else {
        failures.append("\(pair.direction.name): the primitives predict no crossover")
        continue
      }
      let isNear =
        predicted >= first.bytes.low / Self.tolerance && predicted <= last.bytes.high * Self.tolerance
      let text =
        "\(pair.direction.name) at \(NumberText.grouped(Int(last.bytes.median.rounded()))) bytes, "
        + "\(NumberText.grouped(Int(predicted.rounded()))) predicted"
      if isNear { successes.append(text) } else { failures.append(text) }
    }
    let last = result.measured.last { $0.name.hasPrefix("viommu") }?.estimate.median
    let gain =
      last.map {
        "; with an exit at each map and unmap copying is still \(NumberText.short($0)) times faster at 128 KiB"
      } ?? ""
    if failures.isEmpty {
      result.conclude(true, "copying wins below and mapping above: \(successes.joined(separator: "; "))\(gain)")
    } else {
      let payload =
        [.crossL3, .crossNode].contains(result.conditions.placement)
        ? "; between two caches the payload itself comes and goes, which a copy and a map alone do not show" : ""
      result.conclude(false, (failures + successes).joined(separator: "; ") + payload + gain)
    }
  }
}
#endif

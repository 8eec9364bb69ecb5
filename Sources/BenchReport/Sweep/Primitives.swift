import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What mapping and copying cost alone, in one placement class, and what that predicts.
package struct Primitives: Sendable {
  /// Nanoseconds each.
  package let times: [(key: PrimitiveKey, time: Estimate)]

  private func curve(_ kind: PrimitiveKey.Kind) -> LogCurve? {
    LogCurve(times.filter { $0.key.kind == kind }.map { (Double($0.key.bytes), $0.time.median) })
  }

  private func time(_ kind: PrimitiveKey.Kind) -> (bytes: Int, time: Double)? {
    times.filter { $0.key.kind == kind }.min { $0.key.bytes < $1.key.bytes }.map { ($0.key.bytes, $0.time.median) }
  }

  /// Nanoseconds of a map and an unmap of `path` at a size.
  package func mapping(_ path: DMAPath, bytes: Int) -> Double? { curve(.mapping(path))?.value(at: Double(bytes)) }

  /// Bytes a nanosecond that copying moves, by the size copied.
  package func bandwidth(_ kind: PrimitiveKey.Kind) -> LogCurve? {
    LogCurve(
      times.filter { $0.key.kind == kind }.map { (Double($0.key.bytes), Double($0.key.bytes) / $0.time.median) })
  }

  /// Where a path that copies and one that maps should meet: by the formula, and with the copying path's search counted.
  package func crossover(
    copying: DMAPath, mapping: DMAPath, _ direction: DMADirection
  ) -> (formula: CrossoverPrediction, withOverhead: CrossoverPrediction)? {
    let target: PrimitiveKey.Kind = copying.walksPool ? .copyToPool : .copyInPlace
    guard let copies = copying.copies(direction), mapping.maps, let bandwidth = bandwidth(target),
      let mapTime = curve(.mapping(mapping))
    else { return nil }
    var overhead = 0.0
    // The smallest buffer, without its copy.
    if let smallest = time(.mapping(copying)) {
      overhead = max(0, smallest.time - Double(smallest.bytes) / bandwidth.value(at: Double(smallest.bytes)))
    }
    return (
      CrossoverPrediction.solve(copies: copies, bandwidth: bandwidth, mapping: mapTime),
      CrossoverPrediction.solve(copies: copies, bandwidth: bandwidth, mapping: mapTime, overhead: overhead)
    )
  }
}

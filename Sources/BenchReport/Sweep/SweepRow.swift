import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// One size of one path: what was measured in one placement class, or why the path does not take it.
package struct SweepRow: Sendable {
  package enum Result: Sendable {
    case measured(CostRow)
    /// The path's own words.
    case refused(String)
  }

  package var key: CostKey
  package var result: Result

  package var measured: CostRow? {
    guard case .measured(let row) = result else { return nil }
    return row
  }

  package var refusal: String? {
    guard case .refused(let reason) = result else { return nil }
    return reason
  }
}

extension SweepRow: Encodable {
  private enum Key: String, CodingKey {
    case ring, path, direction, bytes, refused, placement, nsPerBuffer, buffersPerSecond, bytesPerSecond
    case ratioToDirect, percentOfDirect, slicesKept, slicesDropped, counters, price, injected
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(key.ring, forKey: .ring)
    try values.encode(key.path, forKey: .path)
    try values.encode(key.direction.name, forKey: .direction)
    try values.encode(key.bytes, forKey: .bytes)
    // Present with null where the size was taken.
    try values.encode(refusal, forKey: .refused)
    guard let row = measured else { return }
    try values.encode(PlacementFigure(row.placement, row.roundTrip), forKey: .placement)
    try values.encode(row.nanosecondsPerBuffer.rounded, forKey: .nsPerBuffer)
    try values.encode(row.buffersPerSecond.rounded, forKey: .buffersPerSecond)
    try values.encode(row.bytesPerSecond.rounded, forKey: .bytesPerSecond)
    try values.encode(row.ratioToDirect?.rounded, forKey: .ratioToDirect)
    try values.encode(row.ratioToDirect?.reciprocal(times: 100).rounded, forKey: .percentOfDirect)
    try values.encode(row.slicesKept, forKey: .slicesKept)
    try values.encode(row.slicesDropped, forKey: .slicesDropped)
    try values.encode(row.counters.mapValues { Rounded.value($0, digits: 6) }, forKey: .counters)
    try values.encodeIfPresent(row.price, forKey: .price)
    try values.encode(row.injected, forKey: .injected)
  }
}

extension CostRow {
  /// Payload bytes that went through in a second.
  package var bytesPerSecond: Estimate { nanosecondsPerBuffer.reciprocal(times: 1e9 * Double(bytes)) }
}

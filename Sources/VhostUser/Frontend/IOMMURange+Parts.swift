internal import RingIOMMU
internal import RingKit

extension IOMMURange {
  /// The parts of a range that lie in none of the others.
  static func parts(of range: IOMMURange, without others: [IOMMURange]) -> [IOMMURange] {
    others.reduce([range]) { parts, other in parts.flatMap { $0.parts(without: other) } }
  }

  private func parts(without other: IOMMURange) -> [IOMMURange] {
    let (start, end) = (address.rawValue, address.rawValue + byteCount)
    let (from, to) = (max(start, other.address.rawValue), min(end, other.address.rawValue + other.byteCount))
    guard from < to else { return [self] }
    var parts: [IOMMURange] = []
    if from > start { parts.append(IOMMURange(address, byteCount: from - start)) }
    if to < end { parts.append(IOMMURange(IOVA(to), byteCount: end - to)) }
    return parts
  }
}

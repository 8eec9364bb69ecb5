public import RingKit

/// A translator that caches 2 MiB pages apart from those of 4 KiB, and can be asked for them alone.
public protocol LargePageTranslator: DMATranslator, ~Copyable {
  /// Where a range is that lies in one cached 2 MiB page which permits the access; `nil` when that has to be looked for.
  mutating func largeHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress?
}

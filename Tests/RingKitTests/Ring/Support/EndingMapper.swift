import RingKit

/// The direct path, which tells when it ends.
struct EndingMapper: DMAMapper, ~Copyable {
  final class Count: @unchecked Sendable { var ends = 0 }

  var work = NoWork()
  let count: Count

  init(_ count: Count) { self.count = count }

  deinit { count.ends += 1 }

  static var unmapped: NoMapping { NoMapping() }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: NoMapping) {
    (IOVA(untranslated: segment.address), NoMapping())
  }

  mutating func unmap(_ mapping: NoMapping, _ direction: DMADirection) throws(DMAError) {}
}

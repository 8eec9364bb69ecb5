import RingKit
import RingTestSupport
import Testing

@Suite("When a queue ends")
struct EndingTests {
  @Test("its mapper ends with it, once", arguments: RingLayout.allCases)
  func mapper(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    let direct = EndingMapper.Count()
    let boxed = EndingMapper.Count()
    switch layout {
    case .split:
      let ring = try SplitRing(in: rig.ring.buffer, size: 4)
      do { _ = try SplitDriverQueue(rig.configuration, ring: ring, mapper: EndingMapper(direct)) }
      do { _ = DriverBox(try SplitDriverQueue(rig.configuration, ring: ring, mapper: EndingMapper(boxed))) }
    case .packed:
      let ring = try PackedRing(in: rig.ring.buffer, size: 4)
      do { _ = try PackedDriverQueue(rig.configuration, ring: ring, mapper: EndingMapper(direct)) }
      do { _ = DriverBox(try PackedDriverQueue(rig.configuration, ring: ring, mapper: EndingMapper(boxed))) }
    }
    #expect(direct.ends == 1)
    #expect(boxed.ends == 1)
  }

  @Test("a queue that could not be made ends its mapper too", arguments: RingLayout.allCases)
  func refused(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    let count = EndingMapper.Count()
    let wrong = QueueConfiguration(size: 2, features: rig.configuration.features)
    do {
      switch layout {
      case .split:
        _ = try SplitDriverQueue(
          wrong, ring: SplitRing(in: rig.ring.buffer, size: 4), mapper: EndingMapper(count))
      case .packed:
        _ = try PackedDriverQueue(
          wrong, ring: PackedRing(in: rig.ring.buffer, size: 4), mapper: EndingMapper(count))
      }
      Issue.record("a queue of 2 over a ring of 4")
    } catch { #expect(error == .invalidSize(4)) }
    #expect(count.ends == 1)
  }
}

/// The direct path, which tells when it ends.
struct EndingMapper: DrainedMapper, ~Copyable {
  final class Count: @unchecked Sendable { var ends = 0 }

  var work = UncountedWork()
  let count: Count

  init(_ count: Count) { self.count = count }

  deinit { count.ends += 1 }

  static var unmapped: Void { () }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Void) {
    (IOVA(untranslated: segment.address), ())
  }

  mutating func unmap(_ mapping: Void, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32 { 0 }

  mutating func poll() throws(DMAError) {}

  mutating func flush() throws(DMAError) {}
}

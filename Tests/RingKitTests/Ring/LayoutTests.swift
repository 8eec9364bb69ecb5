import CPeer
import RingTestSupport
import Testing

@testable import RingKit

@Suite("Layouts against linux/virtio_ring.h")
struct LayoutTests {
  @Test("descriptor flags and feature bits have the header's values")
  func constants() {
    #expect(DescriptorFlags.next == UInt16(CPEER_FLAG_NEXT.rawValue))
    #expect(DescriptorFlags.write == UInt16(CPEER_FLAG_WRITE.rawValue))
    #expect(DescriptorFlags.indirect == UInt16(CPEER_FLAG_INDIRECT.rawValue))
    #expect(DescriptorFlags.available == UInt16(CPEER_FLAG_AVAIL.rawValue))
    #expect(DescriptorFlags.used == UInt16(CPEER_FLAG_USED.rawValue))
    #expect(VirtioFeatures.indirectDescriptors.rawValue == 1 << UInt64(CPEER_BIT_INDIRECT_DESC.rawValue))
    #expect(VirtioFeatures.eventIndex.rawValue == 1 << UInt64(CPEER_BIT_EVENT_IDX.rawValue))
    #expect(EventSuppression.enable.rawValue >> 16 == CPEER_EVENT_ENABLE.rawValue)
    #expect(EventSuppression.disable.rawValue >> 16 == CPEER_EVENT_DISABLE.rawValue)
    let event = EventSuppression.descriptor(WrapCounter(offset: 5, wrap: true)).rawValue
    #expect(event >> 16 == CPEER_EVENT_DESC.rawValue)
    #expect(event & 0xffff == 5 | 1 << CPEER_EVENT_WRAP_SHIFT.rawValue)
  }

  @Test("feature bits above the header's have the specification's numbers")
  func featureBits() {
    let numbers: [(VirtioFeatures, UInt64)] = [
      (.version1, 32), (.accessPlatform, 33), (.packedRing, 34), (.inOrder, 35), (.orderPlatform, 36),
      (.notificationData, 38), (.ringReset, 40),
    ]
    for (feature, bit) in numbers { #expect(feature.rawValue == 1 << bit) }
  }

  @Test("a split ring's fields lie where the header has them", arguments: [1, 2, 256, 32_768])
  func splitOffsets(size: Int) throws {
    let rig = try Rig(.split, size: size)
    let view = try rig.split
    let ring = try SplitRing(in: rig.ring.buffer, size: size)
    #expect(CPEER_DESC_SIZE.rawValue == 16)
    #expect(ring.usedEventOffset == cpeer_used_event_offset(UInt32(size)))
    #expect(ring.availableEventOffset == cpeer_avail_event_offset(UInt32(size)))
    // Written through RingKit, read through the header.
    let last = size - 1
    ring.descriptors.store64(0x1122_3344_5566_7788, 16 * last)
    ring.descriptors.store64(0x9abc_def0 | 0x1357 << 32 | 0x2468 << 48, 16 * last + 8)
    #expect(view[descriptor: last].addr == 0x1122_3344_5566_7788)
    #expect(view[descriptor: last].len == 0x9abc_def0)
    #expect(view[descriptor: last].flags == 0x1357)
    #expect(view[descriptor: last].next == 0x2468)
    ring.available.store16(7, SplitRing.indexOffset)
    ring.available.store16(9, 4 + 2 * last)
    ring.available.store16(11, ring.usedEventOffset)
    #expect(view.availableIndex == 7 && view[available: last] == 9 && view.usedEvent == 11)
    ring.used.store16(8, SplitRing.indexOffset)
    ring.used.store32(10, 4 + 8 * last)
    ring.used.store32(12, 8 + 8 * last)
    ring.used.store16(14, ring.availableEventOffset)
    #expect(view.usedIndex == 8 && view.availableEvent == 14)
    #expect(view[used: last].id == 10 && view[used: last].len == 12)
    #expect(ring.used.byteCount == 6 + 8 * size && ring.available.byteCount == 6 + 2 * size)
  }

  @Test("a packed descriptor's word lies where the header has its fields")
  func packedWord() throws {
    let rig = try Rig(.packed, size: 3)
    let ring = try PackedRing(in: rig.ring.buffer, size: 3)
    let view = try rig.packed
    ring.descriptors.store64(0x1122_3344_5566_7788, 32)
    ring.descriptors.store64(PackedRing.word(length: 0x9abc_def0, id: 0x1357, flags: 0x2468), 40)
    #expect(view[descriptor: 2].addr == 0x1122_3344_5566_7788)
    #expect(view[descriptor: 2].len == 0x9abc_def0)
    #expect(view[descriptor: 2].id == 0x1357)
    #expect(view[descriptor: 2].flags == 0x2468)
    ring.driverEvent.store32(EventSuppression.descriptor(WrapCounter(offset: 2, wrap: true)).rawValue, 0)
    #expect(view.driverEvent.off_wrap == 0x8002 && view.driverEvent.flags == 2)
    #expect(CPEER_PACKED_DESC_SIZE.rawValue == 16 && CPEER_PACKED_EVENT_SIZE.rawValue == 4)
  }

  @Test("what a queue remembers of a buffer takes sixteen bytes")
  func privateState() {
    #expect(MemoryLayout<InFlightEntry>.size == 16)
    #expect(MemoryLayout<InFlightEntry>.stride == 16)
    #expect(MemoryLayout<Completion>.stride == 16)
    #expect(MemoryLayout<MemorySegment>.stride == 16)
    #expect(MemoryLayout<TranslatedSegment>.stride == 24)
    #expect(MemoryLayout<EventSuppression>.size == 4)
    #expect(MemoryLayout<RingIndex>.size == 2)
    #expect(MemoryLayout<WrapCounter>.size == 4)
    #expect(MemoryLayout<UncountedWork>.size == 0)
  }

  @Test("CountedWork has a word for every WorkEvent, and each its own")
  func countedWork() {
    #expect(MemoryLayout<CountedWork>.size == 8 * WorkEvent.allCases.count)
    #expect(WorkEvent.allCases.map(\.index) == Array(0..<WorkEvent.allCases.count))
    var work = CountedWork()
    for (number, event) in WorkEvent.allCases.enumerated() { work.add(event, UInt64(number + 1)) }
    for (number, event) in WorkEvent.allCases.enumerated() { #expect(work.counts[event] == UInt64(number + 1)) }
    #expect(CountedWork.isCounting && !UncountedWork.isCounting)
  }
}

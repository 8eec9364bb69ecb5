import CRing
import RingKit
import Testing

/// DMA path `identity`.
@Suite struct IdentityMapperTests {
  static let dispatches: [IdentityDispatch] = cring_has_retpoline() ? [.indirect, .retpoline] : [.indirect]

  @Test(arguments: dispatches, DMADirection.allCases)
  func answersWithTheAddressAndCounts(dispatch: IdentityDispatch, direction: DMADirection) throws {
    var mapper = try IdentityMapper(memory: GuestMemory(byteCount: 4096), dispatch: dispatch, counter: CountedWork())
    #expect(mapper.dispatch == dispatch)
    let segment = MemorySegment(GuestPhysicalAddress(0x1_2345_6789), length: 1500)
    let mapped = try mapper.map(segment, direction)
    #expect(mapped.address == IOVA(0x1_2345_6789))
    #expect(mapped.mapping == segment)
    try mapper.unmap(mapped.mapping, direction)
    var expected = WorkCounts()
    expected[.maps] = 1
    expected[.unmaps] = 1
    #expect(mapper.work.counts == expected)
  }

  @Test(arguments: dispatches)
  func refusesWhatEndsBeyondTheLimit(dispatch: IdentityDispatch) throws {
    let limit: UInt64 = 0xFFFF_FFFF
    var mapper = try IdentityMapper(
      memory: GuestMemory(byteCount: 4096), limit: limit, dispatch: dispatch, counter: CountedWork())
    #expect(mapper.limit == limit)
    let last = try mapper.map(MemorySegment(GuestPhysicalAddress(limit - 63), length: 64), .deviceReadable)
    #expect(last.address == IOVA(limit - 63))
    for (address, length): (UInt64, UInt32) in [(limit - 62, 64), (limit + 1, 1), (limit, .max), (.max, 2)] {
      let segment = MemorySegment(GuestPhysicalAddress(address), length: length)
      let error = #expect(throws: DMAError.self) { _ = try mapper.map(segment, .deviceWritable) }
      #expect(error == .beyondMask(segment, limit: limit))
    }
    let counted = mapper.work.counts
    #expect(counted[.maps] == 1)
  }

  @Test(arguments: dispatches)
  func refusesNothing(dispatch: IdentityDispatch) throws {
    var mapper = try IdentityMapper(memory: GuestMemory(byteCount: 4096), dispatch: dispatch, counter: UncountedWork())
    let empty = MemorySegment(GuestPhysicalAddress(0x1000), length: 0)
    let mapError = #expect(throws: DMAError.self) { _ = try mapper.map(empty, .deviceReadable) }
    #expect(mapError == .outOfBounds(empty))
    let unmapError = #expect(throws: DMAError.self) {
      try mapper.unmap(IdentityMapper<UncountedWork>.unmapped, .deviceReadable)
    }
    #expect(unmapError == .notMapped(IOVA(0)))
  }

  @Test func retpolineNeedsAMachineThatHasIt() {
    guard !cring_has_retpoline() else { return print("skipped: this architecture has retpolines") }
    #expect(throws: ConfigurationError.retpolineUnavailable) {
      _ = try IdentityMapper(memory: GuestMemory(byteCount: 4096), dispatch: .retpoline, counter: UncountedWork()).limit
    }
  }

  @Test func saysWhyItCannotBeMade() {
    #expect(ConfigurationError.retpolineUnavailable.description == "retpolines are built for x86-64 only")
  }
}

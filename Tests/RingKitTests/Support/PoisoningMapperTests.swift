import RingKit
import RingKitTesting
import Testing

/// The mapper the conformance suite trusts must itself catch what it is there to catch.
@Suite struct PoisoningMapperTests {
  private let memory: GuestMemory
  private let driver: GuestBuffer
  private let arena: PoisoningArena

  init() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 8192, isShared: false)
    var allocator = RegionAllocator(region)
    driver = try allocator.allocate(8192)
    memory = try GuestMemory([region])
    arena = try PoisoningArena(at: GuestPhysicalAddress(0x4000_0000), parts: 4, partByteCount: 4096)
  }

  private func mapper() -> PoisoningMapper<CountedWork> {
    PoisoningMapper(memory: memory, arena: arena, counter: CountedWork())
  }

  @unsafe private func seen(_ address: IOVA, _ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let offset = Int(address.rawValue - 0x4000_0000)
    return unsafe UnsafeMutableRawBufferPointer(rebasing: arena.buffer.bytes[offset..<offset + byteCount])
  }

  @Test func bouncesBothWaysAndPoisons() throws {
    unsafe driver.bytes.initializeMemory(as: UInt8.self, repeating: 1)
    var mapper = mapper()
    let mapped = try mapper.map(driver.segment(length: 100), .deviceWritable)
    #expect(arena.outstanding == 1)
    let bytes = unsafe seen(mapped.address, 4096)
    #expect(unsafe bytes[..<100].allSatisfy { $0 == 1 })
    #expect(unsafe bytes[100...].allSatisfy { $0 == PoisoningArena.poison })
    unsafe bytes[0] = 2
    try mapper.unmap(mapped.mapping, .deviceWritable)
    #expect(unsafe bytes.allSatisfy { $0 == PoisoningArena.poison })
    #expect(unsafe driver.bytes[0] == 2 && driver.bytes[99] == 1)
    #expect(arena.outstanding == 0)
  }

  @Test func reusesAPartOnlyAfterAllOthers() throws {
    var mapper = mapper()
    var addresses: [UInt64] = []
    for _ in 0..<8 {
      let mapped = try mapper.map(driver.segment(length: 1), .deviceReadable)
      try mapper.unmap(mapped.mapping, .deviceReadable)
      addresses.append(mapped.address.rawValue)
    }
    #expect(Set(addresses.prefix(4)).count == 4)
    #expect(addresses.prefix(4) == addresses.suffix(4))
  }

  @Test func countsWhatGoesWrong() throws {
    var mapper = mapper()
    let mapped = try mapper.map(driver.segment(length: 100), .deviceReadable)
    let bytes = unsafe seen(mapped.address, 4096)
    unsafe bytes[100] = 0
    try mapper.unmap(mapped.mapping, .deviceReadable)
    #expect(arena.overruns == 1)
    unsafe bytes[5] = 0
    let again = #expect(throws: DMAError.self) { try mapper.unmap(mapped.mapping, .deviceReadable) }
    #expect(again == .notMapped(mapped.address))
    #expect(arena.doubleUnmaps == 1)
    for _ in 0..<4 { _ = try mapper.map(driver.segment(length: 1), .deviceReadable) }
    #expect(arena.writesWhileUnmapped == 1)
    #expect(arena.outstanding == 4)
    let full = #expect(throws: DMAError.self) { _ = try mapper.map(driver.segment(length: 1), .deviceReadable) }
    #expect(full == .bouncePoolFull(byteCount: 1, total: 4, used: 4))
  }

  @Test func refusesWhatIsNotItsOwn() throws {
    var mapper = mapper()
    let nothing = #expect(throws: DMAError.self) {
      try mapper.unmap(PoisoningMapper<CountedWork>.unmapped, .deviceReadable)
    }
    #expect(nothing == .notMapped(IOVA(0)))
    #expect(arena.doubleUnmaps == 0)
    let large = #expect(throws: DMAError.self) { _ = try mapper.map(driver.segment(length: 4097), .deviceReadable) }
    #expect(large == .tooLarge(byteCount: 4097, maximum: 4096))
    let outside = MemorySegment(GuestPhysicalAddress(0), length: 1)
    let error = #expect(throws: DMAError.self) { _ = try mapper.map(outside, .deviceReadable) }
    #expect(error == .outOfBounds(outside))
  }
}

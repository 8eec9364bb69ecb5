import RingIOMMU
import RingKit
import RingKitTesting
import Testing

@Suite("Large pages first")
struct HybridTranslatorTests {
  private static let leaf = 2 << 20

  private let payload: GuestBuffer
  private let shadow: GuestBuffer
  private let domain: IOMMUDomain
  private let window: PremappedBuffer

  init() throws {
    payload = GuestBuffer(
      whole: try MemoryRegion(at: GuestPhysicalAddress(1 << 32), byteCount: 65_536))
    shadow = GuestBuffer(
      whole: try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 2 * Self.leaf))
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    domain = IOMMUDomain(memory: try GuestMemory([payload.region, shadow.region]), configuration: configuration)
    window = try PremappedBuffer(shadow, domain: domain, largePages: true)
  }

  @Test("both kinds of pages lead where an IOMMU's translator leads, and within a cached leaf nothing is walked")
  func sameAsPages() throws {
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork())
    var hybrid = HybridTranslator(IOMMUTranslator(domain: domain, counter: CountedWork()))
    var pages = IOMMUTranslator(domain: domain, counter: CountedWork())
    let mapped = try mapper.map(payload.segment(at: 100, length: 9000), .deviceWritable)
    var random = SeededGenerator(seed: 7)
    for _ in 0..<2000 {
      let inShadow = Bool.random(using: &random)
      let (base, size) = inShadow ? (window.address.rawValue, 2 * Self.leaf) : (mapped.address.rawValue, 9000)
      let offset = Int.random(in: 0..<size, using: &random)
      let count = UInt64(Int.random(in: 1...(size - offset), using: &random))
      let address = IOVA(base + UInt64(offset))
      let found = try hybrid.translate(address, byteCount: count, for: .deviceWritable)
      let expected = try pages.translate(address, byteCount: count, for: .deviceWritable)
      #expect(found.host == expected.host && found.byteCount == expected.byteCount)
      let start = unsafe inShadow ? shadow.host.advanced(by: offset) : payload.host.advanced(by: 100 + offset)
      #expect(found.host == start)
    }
    #expect(hybrid.work.counts[.iotlbMisses] == 2 + 3, "two leaves and three pages, once each")
    #expect(hybrid.work.counts[.iotlbMisses] == pages.work.counts[.iotlbMisses])
  }

  @Test("a range that runs out of the window faults, and so does the window once it is released")
  func faults() throws {
    var hybrid = HybridTranslator(IOMMUTranslator(domain: domain, counter: UncountedWork()))
    let last = IOVA(window.address.rawValue + UInt64(2 * Self.leaf) - 1)
    let one = try hybrid.translate(last, byteCount: 2, for: .deviceReadable)
    #expect(one.byteCount == 1)
    #expect(throws: DMAFault.notMapped(IOVA(last.rawValue + 1))) {
      _ = try hybrid.translate(IOVA(last.rawValue + 1), byteCount: 1, for: .deviceReadable)
    }
    try window.release()
    #expect(throws: DMAFault.notMapped(last)) {
      _ = try hybrid.translate(last, byteCount: 1, for: .deviceReadable)
    }
  }

  @Test("a leaf permits no more than the table does, from the cache too")
  func permission() throws {
    // One map of 2 MiB, which is a large leaf where its address is a multiple of that.
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork())
    var hybrid = HybridTranslator(IOMMUTranslator(domain: domain, counter: UncountedWork()))
    let mapped = try mapper.map(shadow.segment(at: 0, length: Self.leaf), .deviceReadable)
    for _ in 0..<2 {
      _ = try hybrid.translate(mapped.address, byteCount: 64, for: .deviceReadable)
      #expect(throws: DMAFault.notPermitted(mapped.address, .deviceWritable)) {
        _ = try hybrid.translate(mapped.address, byteCount: 64, for: .deviceWritable)
      }
    }
    try mapper.unmap(mapped.mapping, .deviceReadable)
    #expect(throws: DMAFault.notMapped(mapped.address)) {
      _ = try hybrid.translate(mapped.address, byteCount: 64, for: .deviceReadable)
    }
  }
}

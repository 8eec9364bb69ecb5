import RingIOMMU
import RingKit
import Testing

@Suite("Copy or map")
struct HybridMapperTests {
  private let memory: GuestMemory
  private let driver: GuestBuffer
  private let shadow: GuestBuffer
  private let domain: IOMMUDomain
  private let window: PremappedBuffer

  init() throws {
    driver = GuestBuffer(
      whole: try MemoryRegion(at: GuestPhysicalAddress(1 << 32), byteCount: 65_536))
    let bytes = ShadowMapper<UncountedWork>.byteCount(slots: 4, slotByteCount: 2048)
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: bytes)
    shadow = GuestBuffer(whole: region).slice(at: 0, byteCount: bytes)
    memory = try GuestMemory([driver.region, shadow.region])
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    domain = IOMMUDomain(memory: memory, configuration: configuration)
    window = try PremappedBuffer(shadow, domain: domain)
  }

  private func mapper(_ threshold: HybridThreshold) throws -> HybridMapper<IOMMUMapper<CountedWork>> {
    HybridMapper(
      threshold: threshold,
      copying: try ShadowMapper(memory: memory, buffer: shadow, window: window, counter: CountedWork()),
      mapping: IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork()))
  }

  @Test("below the direction's threshold segments are copied, from it on mapped")
  func threshold() throws {
    var mapper = try mapper(HybridThreshold(deviceReadable: 100, deviceWritable: 1000))
    for (length, direction, isCopied) in [
      (1, DMADirection.deviceReadable, true), (99, .deviceReadable, true), (100, .deviceReadable, false),
      (999, .deviceWritable, true), (1000, .deviceWritable, false), (4096, .deviceWritable, false),
    ] {
      let before = mapper.work.counts
      let mapped = try mapper.map(driver.segment(at: 100, length: length), direction)
      #expect(mapped.mapping.isCopied == isCopied, "\(length) \(direction)")
      let count = try mapper.unmap(mapped.mapping, direction, written: 5000)
      #expect(count == (direction == .deviceReadable ? 0 : length), "a chain's next segment begins behind this one")
      let done = mapper.work.counts - before
      #expect(done[.bounced] == (isCopied ? 1 : 0) && done[.maps] == 1 && done[.unmaps] == 1)
      #expect((done[.pageTableWrites] == 0) == isCopied && (done[.invalidations] == 0) == isCopied)
      #expect(done[.bytesCopiedIn] + done[.bytesCopiedOut] == (isCopied ? UInt64(length) : 0))
    }
  }

  @Test("a threshold that moves decides about the next map, and a buffer goes back the way it came")
  func movingThreshold() throws {
    var mapper = try mapper(HybridThreshold(0))
    let segment = driver.segment(at: 0, length: 200)
    let mapped = try mapper.map(segment, .deviceWritable)
    mapper.control.threshold = HybridThreshold(deviceReadable: 0, deviceWritable: 201)
    let copied = try mapper.map(segment, .deviceWritable)
    let readable = try mapper.map(segment, .deviceReadable)
    mapper.control.threshold = HybridThreshold(.max)
    // Whatever it says: no buffer holds more than its size.
    let large = try mapper.map(driver.segment(at: 0, length: 2049), .deviceReadable)
    let isCopied = [mapped.mapping, copied.mapping, readable.mapping, large.mapping].map(\.isCopied)
    #expect(isCopied == [false, true, false, false])
    mapper.control.threshold = HybridThreshold(0)
    for (mapping, direction, length) in [
      (copied.mapping, DMADirection.deviceWritable, 200), (mapped.mapping, .deviceWritable, 200),
    ] {
      let count = try mapper.unmap(mapping, direction, written: 5000)
      #expect(count == length)
    }
    try mapper.unmap(readable.mapping, .deviceReadable)
    try mapper.unmap(large.mapping, .deviceReadable)
    let counts = mapper.work.counts
    #expect(counts[.maps] == 4 && counts[.unmaps] == 4 && counts[.bounced] == 1 && counts[.invalidations] == 3)
  }

  @Test("one device reaches both kinds of segments, and what it writes arrives")
  func oneDevice() throws {
    var mapper = try mapper(HybridThreshold(100))
    var translator = IOMMUTranslator(domain: domain, counter: CountedWork())
    unsafe driver.bytes.initializeMemory(as: UInt8.self, repeating: 0x11)
    for length in [64, 3000] {
      let mapped = try mapper.map(driver.segment(at: 8192 - 32, length: length), .deviceWritable)
      var offset = 0
      while offset < length {
        let range = try translator.translate(
          IOVA(mapped.address.rawValue + UInt64(offset)), byteCount: UInt64(length - offset), for: .deviceWritable)
        unsafe range.host.pointer.initializeMemory(as: UInt8.self, repeating: 0x77, count: Int(range.byteCount))
        offset += Int(range.byteCount)
      }
      _ = try mapper.unmap(mapped.mapping, .deviceWritable, written: UInt32(length))
      let start = 8192 - 32
      #expect(unsafe driver.bytes[start..<start + length].allSatisfy { $0 == 0x77 })
      #expect(unsafe driver.bytes[start - 1] == 0x11 && driver.bytes[start + length] == 0x11)
    }
    // Mapped ones fault once they are back.
    let mapped = try mapper.map(driver.segment(length: 3000), .deviceWritable)
    _ = try mapper.unmap(mapped.mapping, .deviceWritable, written: 0)
    #expect(throws: DMAFault.notMapped(mapped.address)) {
      _ = try translator.translate(mapped.address, byteCount: 1, for: .deviceWritable)
    }
  }

  @Test("with all shadow buffers in use, or a segment longer than one, it maps")
  func fallsBack() throws {
    var mapper = try mapper(HybridThreshold(.max))
    var live: [HybridMapping<IOMMUMapping>] = []
    for _ in 0..<6 { live.append(try mapper.map(driver.segment(length: 64), .deviceReadable).mapping) }
    #expect(live.map(\.isCopied) == [true, true, true, true, false, false])
    for mapping in live { try mapper.unmap(mapping, .deviceReadable) }
    let long = try mapper.map(driver.segment(length: 2049), .deviceReadable)
    #expect(!long.mapping.isCopied)
    try mapper.unmap(long.mapping, .deviceReadable)
    let fitting = try mapper.map(driver.segment(length: 2048), .deviceReadable)
    #expect(fitting.mapping.isCopied)
    #expect(throws: DMAError.notMapped(long.address)) { try mapper.unmap(long.mapping, .deviceReadable) }
    try mapper.unmap(fitting.mapping, .deviceReadable)
    #expect(throws: DMAError.notMapped(fitting.address)) { try mapper.unmap(fitting.mapping, .deviceReadable) }
    let never = HybridMapper<IOMMUMapper<CountedWork>>.unmapped
    #expect(throws: DMAError.notMapped(IOVA(0))) { try mapper.unmap(never, .deviceReadable) }
  }

  @Test("the device sees the shadow buffers until they are released")
  func release() throws {
    var translator = IOMMUTranslator(domain: domain, counter: CountedWork())
    let seen = try translator.translate(window.address, byteCount: 8, for: .deviceWritable)
    #expect(seen.host == shadow.host)
    try window.release()
    #expect(throws: DMAFault.notMapped(window.address)) {
      _ = try translator.translate(window.address, byteCount: 8, for: .deviceWritable)
    }
    try window.release()
  }

  @Test("shadow buffers take only the window that is theirs")
  func otherWindow() throws {
    let half = shadow.slice(at: 2112, byteCount: 2112)
    #expect(throws: ConfigurationError.notPremapped(half.address)) {
      _ = try ShadowMapper(memory: memory, buffer: half, window: window, counter: UncountedWork())
    }
  }
}

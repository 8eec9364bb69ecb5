import CPeer
import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("A device's own copy of mappings that stay")
struct DeviceWindowTests {
  @Test("leads where the driver's table leads, in pages of either size", arguments: [false, true])
  func copies(largePages: Bool) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 4 << 20)
    let memory = try GuestMemory([region])
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: memory, configuration: configuration)
    var allocator = RegionAllocator(region)
    let buffers = [try allocator.allocate(3 << 20, alignment: 4096), try allocator.allocate(100_000, alignment: 64)]
    var mapper = try PremappedMapper(buffers, domain: domain, largePages: largePages, counter: UncountedWork())
    #expect(mapper.deviceWindows.count == 2)
    let copy = try IOMMUDomain(memory: memory, windows: mapper.deviceWindows, usesLargePages: largePages)
    var device = IOMMUTranslator(domain: copy, counter: CountedWork())
    for buffer in buffers {
      for offset in stride(from: 0, to: buffer.byteCount - 64, by: 4000) {
        let (address, _) = try mapper.map(buffer.segment(at: offset, length: 64), .deviceWritable)
        let found = try device.translate(address, byteCount: 64, for: .deviceWritable)
        #expect(found.host.rawValue == buffer.host.rawValue + UInt(offset))
      }
    }
    let beyond = IOVA(mapper.deviceWindows[0].address.rawValue &- 4096)
    #expect(throws: DMAFault.notMapped(beyond)) {
      _ = try device.translate(beyond, byteCount: 1, for: .deviceReadable)
    }
    #expect(device.work.counts[.iotlbMisses] > 0)
  }

  private static let shared = GuestPhysicalAddress(0x4000_0000)
  private static let hidden = GuestPhysicalAddress(0x8000_0000)

  /// A guest with a region that a device sees and one that it does not.
  private static func guest() throws -> GuestMemory {
    try GuestMemory([
      MemoryRegion(at: shared, byteCount: 64 << 10),
      MemoryRegion(at: hidden, byteCount: 64 << 10, isShared: false),
    ])
  }

  @Test("a window to memory that was not passed faults where it is used")
  func badTarget() throws {
    let memory = try Self.guest()
    let there = Self.hidden
    let window = try #require(DMAWindow(IOVA(0x10_0000), to: there, byteCount: 4096))
    let domain = try IOMMUDomain(memory: memory, windows: [window])
    var device = IOMMUTranslator(domain: domain, counter: UncountedWork())
    #expect(throws: DMAFault.badTarget(IOVA(0x10_0000), there)) {
      _ = try device.translate(IOVA(0x10_0000), byteCount: 8, for: .deviceReadable)
    }
  }

  @Test("windows that overlap, or take too many tables, are refused")
  func refused() throws {
    let memory = try Self.guest()
    let window = try #require(DMAWindow(IOVA(0x10_0000), to: Self.shared, byteCount: 8192))
    #expect(throws: DMAError.alreadyMapped(IOVA(0x10_0000))) {
      _ = try IOMMUDomain(memory: memory, windows: [window, window])
    }
    let vast = try #require(DMAWindow(IOVA(0), to: GuestPhysicalAddress(0), byteCount: 1 << 40))
    #expect(throws: DMAError.pageTableExhausted) {
      _ = try IOMMUDomain(memory: memory, windows: [vast], maximumTablePages: 64)
    }
  }

  @Test("the tables that windows need are counted as they are taken, on each level", arguments: [1, 2, 3] as [UInt64])
  func counted(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for turn in 0..<60 {
      let usesLargePages = turn % 2 == 1
      var windows: [DMAWindow] = []
      var page = UInt64.random(in: 0..<1 << 20, using: &random)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let pages = UInt64.random(in: 1...4000, using: &random)
        // As far into a large leaf as the target, or not.
        let target = Bool.random(using: &random) ? page : page ^ UInt64.random(in: 0..<1 << 18, using: &random)
        windows.append(
          try #require(
            DMAWindow(
              IOVA(page << 12 | 100), to: GuestPhysicalAddress(target << 12 | 100), byteCount: pages << 12 - 100)))
        page += pages + [0, 1, 511, 1 << 18, 1 << 28].randomElement(using: &random)!
      }
      let needed = DMAWindow.tablePages(windows, usesLargePages: usesLargePages)
      let text = "seed \(seed), turn \(turn): \(windows)"
      #expect(Self.fits(windows, usesLargePages, tablePages: needed), "\(text)")
      #expect(!Self.fits(windows, usesLargePages, tablePages: needed - 1), "\(text)")
    }
  }

  private static func fits(_ windows: [DMAWindow], _ usesLargePages: Bool, tablePages: Int) -> Bool {
    let table = PageTable(maximumPages: tablePages)
    defer { table.deallocate() }
    var writes: UInt64 = 0
    return windows.allSatisfy { window in
      (try? table.mapRange(
        window.address.rawValue >> 12, to: window.target.rawValue >> 12,
        pages: IOMMUPage.count(of: window.byteCount, at: window.address.rawValue), permissions: 3,
        largestLeaf: usesLargePages ? 3 : 1, writes: &writes)) != nil
    }
  }

  @Test(
    "windows over all of a large memory have the tables they need, and sparse memory gives a driver no more than that",
    .disabled(if: cpeer_has_sanitizer(), "a sanitizer leaves too few addresses"))
  func bounded() throws {
    func needed(_ byteCount: UInt64) throws -> (memory: GuestMemory, windows: [DMAWindow]) {
      let region = try MemoryRegion(sparse: Int(byteCount), at: GuestPhysicalAddress(1 << 46))
      let window = DMAWindow(IOVA(0x1000), to: region.guestBase, byteCount: byteCount)
      return (try GuestMemory([region]), [try #require(window)])
    }
    for shift in [30, 34, 36] as [UInt64] {
      let (memory, windows) = try needed(1 << shift)
      let limit = IOMMUDomain.tablePages(for: memory, windowCount: 1)
      #expect(DMAWindow.tablePages(windows, usesLargePages: false) <= limit && limit <= 1 << 16, "2^\(shift) bytes")
    }
    let (sparse, windows) = try needed(1 << 45)
    #expect(throws: DMAError.pageTableExhausted) { _ = try IOMMUDomain(memory: sparse, windows: windows) }
  }
}

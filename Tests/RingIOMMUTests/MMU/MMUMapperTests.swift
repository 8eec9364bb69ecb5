import Glibc
import RingKit
import RingKitTesting
import TestTraits
import Testing

@testable import RingIOMMU

@Suite("The CPU's own MMU as the IOMMU")
struct MMUMapperTests {
  private let guest: IOMMUFixture
  private let window: MMUWindow

  init() throws {
    guest = try IOMMUFixture()
    window = try MMUWindow(memory: guest.memory, byteCount: 1024 * 4096)
  }

  @Test("what is shown is the segment's own memory, at its offset, and nothing after the unmap")
  func model() throws {
    var mapper = MMUMapper(window: window, counter: CountedWork())
    var device = MMUTranslator(window: window, counter: CountedWork())
    var random = SeededGenerator(for: "mmu")
    var live: [(offset: Int, length: Int, direction: DMADirection, iova: IOVA, mapping: IOMMUMapping)] = []
    for turn in 0..<2000 {
      if live.count < 30 && random.next() % 2 == 0 {
        let direction: DMADirection = random.next() % 2 == 0 ? .deviceReadable : .deviceWritable
        let (offset, length) = (Int(random.next() % 1_000_000), Int(random.next() % 20_000) + 1)
        let (iova, mapping) = try mapper.map(guest.segment(offset, UInt32(length)), direction)
        live.append((offset, length, direction, iova, mapping))
      } else if let at = live.indices.randomElement(using: &random) {
        let one = live[at]
        let found = try device.translate(one.iova, byteCount: UInt64(one.length), for: one.direction)
        #expect(found.host.rawValue == window.hostBase.rawValue + UInt(Int(one.iova.rawValue)))
        #expect(found.byteCount == UInt64(one.length))
        // Written here, read there, at both ends.
        for offset in [0, one.length - 1] {
          let byte = UInt8(truncatingIfNeeded: turn)
          let (near, far) = unsafe (guest.host(one.offset + offset), found.host.advanced(by: offset))
          let (from, to) = one.direction == .deviceReadable ? (near, far) : (far, near)
          unsafe from.pointer.storeBytes(of: byte, as: UInt8.self)
          #expect(unsafe to.pointer.load(as: UInt8.self) == byte)
        }
        let other: DMADirection = one.direction == .deviceReadable ? .deviceWritable : .deviceReadable
        #expect(throws: DMAFault.notPermitted(one.iova, other)) {
          try device.translate(one.iova, byteCount: 1, for: other)
        }
        live.remove(at: at)
        try mapper.unmap(one.mapping, one.direction)
        #expect(throws: DMAFault.notMapped(one.iova)) {
          try device.translate(one.iova, byteCount: 1, for: one.direction)
        }
        #expect(throws: DMAError.notMapped(one.iova)) { try mapper.unmap(one.mapping, one.direction) }
      }
    }
    for one in live { try mapper.unmap(one.mapping, one.direction) }
    let counts = mapper.work.counts
    #expect(counts[.maps] == counts[.unmaps] && counts[.systemCalls] == 2 * counts[.maps])
    window.core.allocator.flushCaches()
    #expect(window.rangesInUse == 0)
  }

  @Test("a range that runs over what is shown comes back as far as it is")
  func edge() throws {
    var mapper = MMUMapper(window: window, counter: UncountedWork())
    var device = MMUTranslator(window: window, counter: UncountedWork())
    // From the top down: behind the first is the window's end.
    let (iova, mapping) = try mapper.map(guest.segment(100, 4096), .deviceWritable)
    #expect(try device.translate(iova, byteCount: .max, for: .deviceWritable).byteCount == 8192 - 100)
    for bad in [0, 4095, UInt64(window.byteCount), 1 << 48, .max] as [UInt64] {
      #expect(throws: DMAFault.notMapped(IOVA(bad))) {
        try device.translate(IOVA(bad), byteCount: 8, for: .deviceWritable)
      }
    }
    try mapper.unmap(mapping, .deviceWritable)
  }

  @Test("memory that cannot be shown, a full window and a segment of nothing are told apart")
  func refusals() throws {
    var mapper = MMUMapper(window: window, counter: CountedWork())
    let hidden = MemorySegment(GuestPhysicalAddress(1 << 40), length: 64)
    #expect(throws: DMAError.notShareable(hidden)) { try mapper.map(hidden, .deviceReadable) }
    for bad in [guest.segment(-1, 2), guest.segment(0, 0), MemorySegment(GuestPhysicalAddress(.max), length: 9)] {
      #expect(throws: DMAError.outOfBounds(bad)) { try mapper.map(bad, .deviceReadable) }
    }
    #expect(throws: DMAError.iovaExhausted(pages: 1024)) {
      try mapper.map(guest.segment(0, 1024 * 4096), .deviceReadable)
    }
    #expect(mapper.work.counts[.maps] == 0 && mapper.work.counts[.systemCalls] == 0)
    for bytes in [0, 4096, 8193, -4096] {
      #expect(throws: MemoryError.invalidSize(bytes)) { _ = try MMUWindow(memory: guest.memory, byteCount: bytes) }
    }
  }

  @Test("a device that may only read, or that was unmapped, is stopped by the hardware", .afterTheOthers)
  func hardware() async {
    await #expect(processExitsWith: .success) { try Intruder.run(.nowhere) }
    await #expect(processExitsWith: .failure) { try Intruder.run(.readOnly) }
    await #expect(processExitsWith: .failure) { try Intruder.run(.unmapped) }
    await #expect(processExitsWith: .failure) { try Intruder.run(.neverMapped) }
  }
}

/// A device that uses what it was shown, and then what it was not.
enum Intruder {
  enum Trespass {
    case nowhere
    case readOnly
    case unmapped
    case neverMapped
  }

  static func run(_ trespass: Trespass) throws {
    let guest = try IOMMUFixture(pages: 16)
    let window = try MMUWindow(memory: guest.memory, byteCount: 64 * 4096)
    var mapper = MMUMapper(window: window, counter: UncountedWork())
    var device = MMUTranslator(window: window, counter: UncountedWork())
    let (out, _) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    let (into, mapping) = try mapper.map(guest.segment(4096, 64), .deviceWritable)
    let read = try device.translate(out, byteCount: 64, for: .deviceReadable).host
    let written = try device.translate(into, byteCount: 64, for: .deviceWritable).host
    unsafe written.pointer.storeBytes(of: read.pointer.load(as: UInt8.self), as: UInt8.self)
    // It goes on with addresses that it asked for earlier, or never asked for: nothing checks them any more.
    switch trespass {
    case .nowhere: break
    case .readOnly: unsafe read.pointer.storeBytes(of: 1, as: UInt8.self)
    case .unmapped:
      try mapper.unmap(mapping, .deviceWritable)
      unsafe written.pointer.storeBytes(of: 1, as: UInt8.self)
    case .neverMapped: unsafe window.hostBase.pointer.storeBytes(of: 1, as: UInt8.self)
    }
  }
}

extension MMUMapperTests {
  @Test("a region in the middle of a file is shown from there, and one that has no whole pages there is not shown")
  func fileOffsets() throws {
    let file = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 16 * 4096)
    let descriptor = try #require(file.fileDescriptor)
    func region(at offset: UInt64, _ base: UInt64) throws -> MemoryRegion {
      try MemoryRegion(mapping: dup(descriptor), fileOffset: offset, byteCount: 4096, at: GuestPhysicalAddress(base))
    }
    let (whole, part) = (try region(at: 3 * 4096, 0), try region(at: 5 * 4096 + 64, 1 << 20))
    let window = try MMUWindow(memory: try GuestMemory([whole, part]), byteCount: 16 * 4096)
    var mapper = MMUMapper(window: window, counter: UncountedWork())
    var device = MMUTranslator(window: window, counter: UncountedWork())
    unsafe file.hostBase.advanced(by: 3 * 4096 + 8).pointer.storeBytes(of: 0x77, as: UInt8.self)
    let (iova, mapping) = try mapper.map(MemorySegment(GuestPhysicalAddress(8), length: 8), .deviceReadable)
    let found = try device.translate(iova, byteCount: 8, for: .deviceReadable)
    #expect(unsafe found.host.pointer.load(as: UInt8.self) == 0x77)
    try mapper.unmap(mapping, .deviceReadable)
    let segment = MemorySegment(GuestPhysicalAddress(1 << 20), length: 8)
    #expect(throws: DMAError.notShareable(segment)) { try mapper.map(segment, .deviceReadable) }
  }

  @Test func aWindowForNoCPUsOrForFarTooManyIsRefused() throws {
    let memory = try GuestMemory(byteCount: 1 << 16)
    for count in [0, -1, .min, 8193, .max] {
      let refused = MemoryError.system(operation: "making address caches for \(count) CPUs", errno: EINVAL)
      #expect(throws: refused) { _ = try MMUWindow(memory: memory, byteCount: 1 << 20, cpuCount: count) }
    }
  }
}

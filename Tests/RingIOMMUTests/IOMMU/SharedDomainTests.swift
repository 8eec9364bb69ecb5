import CRing
import Glibc
import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("A domain that a device in another process reads")
struct SharedDomainTests {
  @Test("the device's mapping leads where the driver's table leads, in pages of either size", arguments: [false, true])
  func leads(largePages: Bool) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 4 << 20)
    let memory = try GuestMemory([region])
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let pair = try SharedDomainPair(memory, configuration: configuration)
    var mapper = try PremappedMapper(region, domain: pair.domain, largePages: largePages, counter: UncountedWork())
    var device = RemoteIOMMUTranslator(domain: pair.there, memory: memory, counter: CountedWork())
    device.beServed(by: pair.attachment)
    let whole = GuestBuffer(whole: region)
    for offset in stride(from: 0, to: whole.byteCount - 64, by: 4000) {
      let (address, _) = try mapper.map(whole.segment(at: offset, length: 64), .deviceWritable)
      let found = try device.translate(address, byteCount: 64, for: .deviceWritable)
      #expect(found.host.rawValue == whole.host.rawValue + UInt(offset))
    }
    let misses = device.work.counts[.iotlbMisses]
    #expect(largePages ? misses == 2 : misses == 1024, "\(misses) misses")
    let before = mapper.deviceWindows[0].address.rawValue - 1
    #expect(throws: DMAFault.notMapped(IOVA(before))) {
      _ = try device.translate(IOVA(before), byteCount: 1, for: .deviceReadable)
    }
    #expect(throws: DMAFault.notMapped(IOVA(1 << 48))) {
      _ = try device.translate(IOVA(1 << 48), byteCount: 1, for: .deviceReadable)
    }
  }

  @Test("when a strict unmap returns the device has forgotten; in one direction it never knew")
  func strict() throws {
    let fixture = try SharedDomainFixture()
    var mapper = fixture.mapper()
    var device = fixture.translator()
    for turn in 0..<600 {
      let (address, mapping) = try mapper.map(fixture.guest.segment(turn * 8, 4096), .deviceWritable)
      let found = try device.translate(address, byteCount: 1, for: .deviceWritable)
      #expect(found.host == fixture.guest.host(turn * 8))
      #expect(throws: DMAFault.notPermitted(address, .deviceReadable)) {
        _ = try device.translate(address, byteCount: 1, for: .deviceReadable)
      }
      try mapper.unmap(mapping, .deviceWritable)
      #expect(throws: DMAFault.notMapped(address)) {
        _ = try device.translate(address, byteCount: 1, for: .deviceWritable)
      }
    }
  }

  @Test("a lazy unmap leaves the device what it has until the flush")
  func lazy() throws {
    let fixture = try SharedDomainFixture()
    var mapper = fixture.mapper(.lazy)
    var device = fixture.translator()
    let (address, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
    try mapper.unmap(mapping, .deviceReadable)
    _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
    try mapper.flush()
    #expect(throws: DMAFault.notMapped(address)) {
      _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
    }
  }

  @Test("two drivers' requests, more than the queue has slots, are all served by a device on its own thread")
  func threads() throws {
    let fixture = try SharedDomainFixture(servedBy: .deviceThread) { $0.cpuCount = 2 }
    let stop = StopFlag()
    let device = fixture.serve(stop)
    let (guest, domain) = (fixture.guest, fixture.pair.domain)
    let drivers = (0..<2).map { cpu in
      TestThread {
        var mapper = IOMMUMapper(domain: domain, policy: .strict, cpu: cpu, counter: UncountedWork())
        do {
          for turn in 0..<400 {
            let (_, mapping) = try mapper.map(guest.segment(turn * 8, 64), .deviceReadable)
            try mapper.unmap(mapping, .deviceReadable)
          }
        } catch { Issue.record(error) }
      }
    }
    for driver in drivers { driver.join() }
    stop.raise()
    device.join()
    #expect(fixture.completion == 1600)
  }

  @Test("a process that is passed the tables cannot write them, by none of the ways a descriptor opens")
  func sealed() throws {
    let fixture = try SharedDomainFixture()
    let file = try #require(fixture.pair.attachment.shared.tables.fileDescriptor)
    let size = fixture.pair.attachment.shared.tables.byteCount
    var bytes: UInt64 = 0
    #expect(unsafe pwrite(file, &bytes, 8, 0) == -1 && errno == EPERM)
    #expect(unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED && errno == EPERM)
    let again = unsafe open("/proc/self/fd/\(file)", O_RDWR)
    #expect(unsafe again < 0 || mmap(nil, size, PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED)
    if again >= 0 { close(again) }
    // What is mapped to be read stays so.
    let there = fixture.pair.there.tables
    #expect(unsafe mprotect(there.hostBase.pointer, size, PROT_READ | PROT_WRITE) == -1 && errno == EACCES)
    #expect(ftruncate(file, 0) == -1 && errno == EPERM)
    // The driver's own mapping is spared: this would end the test.
    fixture.setWord(0, at: 4096)
  }

  @Test("no address of the driver's process stands in what the device reads")
  func tellsNothing() throws {
    let fixture = try SharedDomainFixture()
    var mapper = fixture.mapper()
    let (_, mapping) = try mapper.map(fixture.guest.segment(0, 64 << 10), .deviceReadable)
    for offset in stride(from: 0, to: fixture.pair.there.tables.byteCount, by: 8) {
      // Offsets of tables, guest-physical addresses, pages and counts: all far below where this process has its memory.
      #expect(fixture.word(at: offset) & PageTableEntry.addressMask < 1 << 40, "at \(offset)")
    }
    fixture.pair.attachment.detach()
    try mapper.unmap(mapping, .deviceReadable)
  }

  @Test("tables that do not suffice are an error of the map, and nothing stays mapped")
  func exhausted() throws {
    let guest = try IOMMUFixture()
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let pair = try SharedDomainPair(guest.memory, tablePages: 3, configuration: configuration)
    pair.attachment.detach()
    var mapper = IOMMUMapper(domain: pair.domain, policy: .strict, counter: UncountedWork())
    #expect(throws: DMAError.pageTableExhausted) { _ = try mapper.map(guest.segment(0, 64), .deviceReadable) }
  }

  @Test("the page of a device that was detached goes with it, and a thread that still looks there reads zeroes")
  func answersGo() throws {
    let domain = try IOMMUDomain(sharing: try IOMMUFixture().memory, tablePages: 16)
    weak var page: MemoryRegion?
    for _ in 0..<40 {
      let attachment = try DomainAttachment(domain)
      page = attachment.shared.completions
      let status = unsafe domain.core.invalidations.status(0)
      // Where a waiting thread looks.
      let word = unsafe HostAddress(rawValue: UInt(cring_load_relaxed_64(status + 8)))
      unsafe cring_store_release_64(attachment.shared.completions.hostBase.pointer, 99)
      #expect(unsafe cring_load_acquire_64(word.pointer) == 99)
      attachment.detach()
      #expect(unsafe cring_load_acquire_64(word.pointer) == 0)
    }
    #expect(page == nil)
  }

  @Test("one device more than there are attachments is a typed error; when one has gone there is room again")
  func tooManyDevices() throws {
    let domain = try IOMMUDomain(sharing: try IOMMUFixture().memory, tablePages: 16)
    var attachments = try (0..<16).map { _ in try DomainAttachment(domain) }
    let refused = MemoryError.system(operation: "attaching more than 16 devices to an address space", errno: ENOSPC)
    #expect(throws: refused) { _ = try DomainAttachment(domain) }
    attachments[7].detach()
    attachments.append(try DomainAttachment(domain))
    #expect(throws: refused) { _ = try DomainAttachment(domain) }
  }
}

import Glibc
import RingIOMMU
import RingKit
import RingKitTesting
import RingPlatform
import Testing

@Suite("What a driver hands to a device in another process")
struct DeviceHandshakeTests {
  @Test("shared regions arrive as the same memory at the same guest addresses, private ones do not arrive")
  func memory() throws {
    let guest = try IsolationFixture()
    let (here, there) = try DeviceSocket.pair()
    let (device, thread) = IsolationFixture.serve(there)
    do {
      let link = try DeviceLink(here)
      try link.share(guest.memory)
      var queue = try guest.splitQueue()
      queue.position = 7
      queue.program = [1, 2, 3]
      try link.attach(queue)
      try link.start([9])
    }
    thread.join()
    #expect(device.error == .closed)
    let memory = try #require(device.memory)
    #expect(memory.regions.map(\.guestBase) == [IsolationFixture.sharedBase])
    let region = memory.regions[0]
    #expect(region.byteCount == guest.shared.byteCount && region.hostBase != guest.shared.hostBase)
    unsafe guest.shared.hostBase.advanced(by: 40).pointer.storeBytes(of: 0xfeed, as: UInt64.self)
    let word = unsafe region.hostBase.advanced(by: 40).pointer.load(as: UInt64.self)
    #expect(word == 0xfeed)
    #expect(device.queues.count == 1 && device.queues[0].position == 7)
    #expect(device.queues[0].program == [1, 2, 3, 0, 0, 0, 0, 0])
    #expect(device.program == [9, 0, 0, 0, 0, 0, 0, 0])
    // The address that the device's memory does not have is refused, in type.
    var translator = RegionTranslator(memory: memory, counter: UncountedWork())
    let hidden = IOVA(untranslated: IsolationFixture.hiddenBase)
    #expect(throws: DMAFault.outOfBounds(hidden, byteCount: 64)) {
      _ = try translator.translate(hidden, byteCount: 64, for: .deviceReadable)
    }
  }

  @Test("a driver that is told to end waits no longer for a device that does not answer")
  func silence() throws {
    let guest = try IsolationFixture()
    let (here, there) = try DeviceSocket.pair()
    let link = try DeviceLink(here, timeout: .max)
    link.isOver = { true }
    #expect(throws: DeviceHandshakeError.system(errno: EINTR)) { try link.share(guest.memory) }
    let (working, device) = try DeviceSocket.pair()
    let atWork = try DeviceLink(working)
    atWork.isOver = { true }
    #expect(throws: DeviceHandshakeError.system(errno: EINTR)) { try atWork.report() }
    withExtendedLifetime(device) {}
    let short = try DeviceLink(try DeviceSocket.pair().0, timeout: 1_000_000)
    #expect(throws: DeviceHandshakeError.self) { try short.share(guest.memory) }
    withExtendedLifetime(there) {}
  }

  @Test("a shared domain arrives as memory to read and a page to answer in, and leads where the driver's table leads")
  func domain() throws {
    let guest = try IsolationFixture()
    var configuration = IOMMUConfiguration()
    configuration.invalidationTimeout = 120_000_000_000
    let domain = try IOMMUDomain(sharing: guest.memory, tablePages: 16, configuration: configuration)
    let attachment = try DomainAttachment(domain)
    let (here, there) = try DeviceSocket.pair()
    let (device, thread) = IsolationFixture.serve(there)
    do {
      let link = try DeviceLink(here)
      try link.share(guest.memory)
      var queue = try guest.splitQueue()
      queue.domain = attachment.shared
      queue.iotlbSets = 16
      try link.attach(queue)
    }
    thread.join()
    let found = try #require(device.queues.first)
    let shared = try #require(found.domain)
    #expect(found.iotlbSets == 16 && found.windows == nil)
    #expect(shared.tables.byteCount == 8192 + 16 * 4096 && shared.completions.byteCount == 4096)
    #expect(shared.tables.hostBase != attachment.shared.tables.hostBase)
    let memory = try #require(device.memory)
    let stop = StopFlag()
    let ready = StopFlag()
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork())
    let segment = MemorySegment(GuestPhysicalAddress(IsolationFixture.sharedBase.rawValue + 100), length: 64)
    let (address, mapping) = try mapper.map(segment, .deviceReadable)
    let served = TestThread {
      var translator = RemoteIOMMUTranslator(domain: shared, memory: memory, counter: UncountedWork())
      let host = try? translator.translate(address, byteCount: 64, for: .deviceReadable).host
      #expect(host?.rawValue == memory.regions[0].hostBase.rawValue + UInt(100))
      ready.raise()
      while !stop.isRaised { translator.service() }
      #expect(throws: DMAFault.notMapped(address)) {
        _ = try translator.translate(address, byteCount: 64, for: .deviceReadable)
      }
    }
    while !ready.isRaised {}
    try mapper.unmap(mapping, .deviceReadable)
    stop.raise()
    served.join()
  }

  @Test("both rings are found in the memory that arrived", arguments: [false, true])
  func rings(isPacked: Bool) throws {
    let guest = try IsolationFixture()
    var allocator = RegionAllocator(guest.shared)
    let buffer = try allocator.allocate(8192, alignment: 128)
    if isPacked {
      let ring = try PackedRing(in: buffer, size: 7)
      let queue = DeviceQueueDescription(
        QueueConfiguration(size: 7, features: [.version1, .packedRing]), ring)
      #expect(queue.isPacked && queue.position == 0x8000)
      #expect(try queue.packedRing(in: guest.memory).addresses == ring.addresses)
    } else {
      let ring = try SplitRing(in: buffer, size: 8)
      let queue = DeviceQueueDescription(QueueConfiguration(size: 8), ring)
      #expect(!queue.isPacked && queue.position == 0)
      #expect(try queue.splitRing(in: guest.memory).addresses == ring.addresses)
    }
  }

  @Test("a ring in private memory, or beyond the end of shared memory, is out of bounds")
  func ringsElsewhere() throws {
    let guest = try IsolationFixture()
    for base in [IsolationFixture.hiddenBase, GuestPhysicalAddress(IsolationFixture.sharedBase.rawValue + 65_500)] {
      var queue = try guest.splitQueue()
      queue.addresses[2] = base
      #expect(throws: DeviceHandshakeError.outOfBounds(base, byteCount: 70)) {
        _ = try queue.splitRing(in: guest.memory)
      }
    }
  }

  @Test("a region that does not begin with its file is not passed on: the other side maps a file from its beginning")
  func fileOffset() throws {
    let file = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 8 * 4096)
    let region = try MemoryRegion(
      mapping: dup(try #require(file.fileDescriptor)), fileOffset: 4096, byteCount: 4096,
      at: GuestPhysicalAddress(1 << 20))
    let (here, _) = try DeviceSocket.pair()
    let link = try DeviceLink(here)
    #expect(throws: DeviceHandshakeError.notShared(region.guestBase)) { try link.share(try GuestMemory([region])) }
  }

  @Test("a refusal carries its reason, and the connection goes on")
  func refusal() throws {
    let guest = try IsolationFixture()
    let (here, there) = try DeviceSocket.pair()
    let thread = TestThread {
      let endpoint = DeviceEndpoint(there)
      _ = try? endpoint.next()
      try? endpoint.refuse("not today\u{1b}[31m")
      _ = try? endpoint.next()
    }
    do {
      let link = try DeviceLink(here)
      // What a terminal would obey is left out.
      #expect(throws: DeviceHandshakeError.refused("not today[31m")) { try link.share(guest.memory) }
      #expect(!link.hasEnded)
    }
    thread.join()
  }

  @Test("the end of the device's side is seen at once, and told as such")
  func end() throws {
    let (here, there) = try DeviceSocket.pair()
    let link = try DeviceLink(here)
    #expect(!link.hasEnded)
    there.shut()
    #expect(link.hasEnded)
    #expect(throws: DeviceHandshakeError.closed) { _ = try link.report() }
  }

  @Test("more regions than a message has room for are refused before anything is sent")
  func tooMany() throws {
    let (here, _) = try DeviceSocket.pair()
    let link = try DeviceLink(here)
    var regions: [MemoryRegion] = []
    for i in 0..<9 { regions.append(try MemoryRegion(at: GuestPhysicalAddress(UInt64(i) << 20), byteCount: 4096)) }
    let memory = try GuestMemory(regions)
    #expect(throws: DeviceHandshakeError.tooManyDescriptors(limit: 8)) { try link.share(memory) }
  }
  @Test("a wait for a device that accepts no connection ends when the caller says so")
  func interrupted() throws {
    var name = Array("/tmp/ringkit-connect-XXXXXX".utf8CString)
    try #require(unsafe mkdtemp(&name) != nil)
    let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/socket"
    let listener = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
    defer {
      close(listener)
      unsafe unlink(path)
      unsafe rmdir(String(path.dropLast("/socket".count)))
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let isBound = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(isBound == 0 && listen(listener, 0) == 0)
    // As many as it lets wait, and one more.
    var (waiting, asked) = ([] as [DeviceSocket], 0)
    #expect(throws: DeviceHandshakeError.system(errno: EINTR)) {
      while waiting.count < 64 {
        waiting.append(
          try DeviceSocket.connect(to: path) {
            asked += 1
            return asked == 3
          })
      }
    }
    #expect(!waiting.isEmpty && asked == 3)
  }

  /// To the kernel no time means for ever.
  @Test("a time-out of nothing is the shortest there is")
  func noTime() throws {
    let guest = try IsolationFixture()
    let (here, there) = try DeviceSocket.pair()
    let link = try DeviceLink(here, timeout: 0)
    let hasEnded = StopFlag()
    // Ends the wait where it has no end of its own.
    let device = TestThread {
      for _ in 0..<2000 where !hasEnded.isRaised { usleep(1000) }
      there.shut()
    }
    #expect(throws: DeviceHandshakeError.timedOut) { try link.share(guest.memory) }
    hasEnded.raise()
    device.join()
  }

  @Test("what no message can say is refused in type, and nothing is sent")
  func impossible() throws {
    let guest = try IsolationFixture()
    let link = try DeviceLink(try DeviceSocket.pair().0)
    let words = [UInt64](1...9)
    let tooMany = DeviceHandshakeError.wrongField("word count of the program", 9)
    #expect(throws: tooMany) { try link.start(words) }
    var queue = try guest.splitQueue()
    queue.program = words
    #expect(throws: tooMany) { try link.attach(queue) }
    queue.program = []
    let addresses = queue.addresses
    for count in [0, 2, 4, 40] {
      queue.addresses = [GuestPhysicalAddress](repeating: addresses[0], count: count)
      let wrong = DeviceHandshakeError.wrongField("addresses", UInt64(count))
      #expect(throws: wrong) { try link.attach(queue) }
      #expect(throws: wrong) { _ = try queue.splitRing(in: guest.memory) }
      #expect(throws: wrong) { _ = try queue.packedRing(in: guest.memory) }
    }
    queue.addresses = addresses
    queue.iotlbSets = -1
    queue.windows = []
    #expect(throws: DeviceHandshakeError.wrongField("IOTLB sets", .max)) { try link.attach(queue) }
    for size in [-1, 0, 1 << 60, .max] {
      queue.configuration.size = size
      if size < 0 { #expect(throws: DeviceHandshakeError.wrongField("queue size", .max)) { try link.attach(queue) } }
      #expect(throws: DeviceHandshakeError.ring(.invalidSize(size))) { _ = try queue.splitRing(in: guest.memory) }
      #expect(throws: DeviceHandshakeError.ring(.invalidSize(size))) { _ = try queue.packedRing(in: guest.memory) }
    }
  }
}

import CVhostUAPI
import Glibc
import RingKit
import Testing

@testable import VhostUser

/// What a back-end logs of what it writes: the pages that change, held against two pictures of the guest's memory.
@Suite struct DirtyLogTests {
  /// A disk whose front-end logs, or may.
  private final class Session {
    let driver: DiskDriver
    let frontend: ScriptedFrontend<BlockDevice>
    let log: MemoryRegion
    private let scratch = ScratchFile(sectors: 64)
    /// Where in the log's file the bits begin.
    static let offset = 4096

    init(_ layout: VirtioFeatures, size: Int = 16) throws {
      frontend = try ScriptedFrontend(
        try BlockDevice(path: scratch.path), features: layout.union([.version1, BlockFeatures.flush]))
      log = try MemoryRegion(
        at: GuestPhysicalAddress(0), byteCount: Self.offset + (frontend.isTranslating ? 33 << 20 : 4096))
      try frontend.negotiate()
      driver = try DiskDriver(frontend, size: size)
      try driver.start(base: frontend.firstBase)
      frontend.kick.ring()
      try frontend.settle()
    }

    func passLog() throws { #expect(try frontend.ask(message).payload.isEmpty) }

    var message: FrontendMessage {
      .setLogBase(
        byteCount: UInt64(log.byteCount - Self.offset), fileOffset: UInt64(Self.offset),
        PassedDescriptor(borrowing: log.fileDescriptor ?? -1))
    }

    /// What QEMU says when a migration begins or ends, while the rings run.
    func setLogging(_ isOn: Bool) throws {
      let bits = frontend.features.rawValue | ProtocolFeatures.deviceBit | (isOn ? VirtioFeatures.logAll.rawValue : 0)
      try frontend.tell(.setFeatures(VirtioFeatures(rawValue: bits)))
      try frontend.tell(.setVringAddress(address(isOn)))
    }

    func address(_ isLogged: Bool) -> VringAddress {
      let parts = driver.parts
      return VringAddress(
        index: 0, flags: isLogged ? 1 : 0, descriptors: frontend.vringAddress(parts.0),
        used: frontend.vringAddress(parts.used), available: frontend.vringAddress(parts.available),
        log: parts.used.rawValue)
    }

    /// The pages whose bits are set, which are cleared; by their index in the guest's memory.
    func takeLog() -> Set<Int> {
      var pages: Set<Int> = []
      let bytes = unsafe UnsafeMutableRawBufferPointer(start: log.hostBase.pointer, count: log.byteCount)
      let window = (Self.offset + firstPage / 8)..<(Self.offset + firstPage / 8 + frontend.region.byteCount / 32_768)
      for at in window {
        for bit in 0..<8 where unsafe bytes[at] & 1 << bit != 0 { pages.insert((at - window.lowerBound) * 8 + bit) }
        unsafe bytes[at] = 0
      }
      // What is left are zeros, each of which is as the one before.
      let (start, second) = unsafe (log.hostBase.pointer, log.hostBase.pointer + 1)
      #expect(unsafe bytes[0] == 0 && memcmp(start, second, bytes.count - 1) == 0)
      return pages
    }

    private var firstPage: Int {
      Int(frontend.region.guestBase.rawValue + (frontend.isTranslating ? 1 << 40 : 0)) >> 12
    }

    /// Serves what was added, and tells which pages of the guest's memory changed by that.
    func serve() throws -> Set<Int> {
      let memory = unsafe UnsafeRawBufferPointer(
        start: frontend.region.hostBase.pointer, count: frontend.region.byteCount)
      let before = unsafe [UInt8](memory)
      frontend.kick.ring()
      try frontend.settle()
      return unsafe before.withUnsafeBytes { before in
        guard let old = before.baseAddress else { return [] }
        let new = unsafe frontend.region.hostBase.pointer
        let pages = 0..<(memory.count / 4096)
        return Set(pages.filter { unsafe memcmp(new + 4096 * $0, old + 4096 * $0, 4096) != 0 })
      }
    }

    /// Requests that write to one, two and several pages, and to a status byte alone; data is no sector's number
    /// before.
    func add() throws {
      unsafe UnsafeMutableRawBufferPointer(rebasing: driver.buffer.bytes[32_768...])
        .initializeMemory(as: UInt8.self, repeating: 0xee)
      try driver.add(0, sector: 1, room: 512, token: 0)
      try driver.add(0, sector: 2, room: 4096 + 512, token: 3)
      try driver.add(1, sector: 40, sent: [UInt8](repeating: 7, count: 512), token: 12)
      try driver.add(4, sector: 0, token: 14)
    }
  }

  private static let layouts: [VirtioFeatures] = [
    [], .eventIndex, .indirectDescriptors, .accessPlatform, [.inOrder, .eventIndex], .packedRing,
    [.packedRing, .eventIndex], [.packedRing, .indirectDescriptors, .accessPlatform],
  ]

  @Test(arguments: layouts) func thePagesThatAreWrittenAndNoOthersAreLogged(layout: VirtioFeatures) throws {
    let session = try Session(layout)
    try session.passLog()
    try session.setLogging(true)
    _ = session.takeLog()
    for _ in 0..<12 {
      try session.add()
      let changed = try session.serve()
      #expect(session.takeLog() == changed && changed.count > 3)
      #expect(try session.driver.queue.used().count == 4)
    }
    #expect(session.frontend.backend.takeFailures().isEmpty)
  }

  /// A ring over several pages, and its laps.
  @Test(arguments: [VirtioFeatures.eventIndex, [.packedRing, .eventIndex]])
  func soAreThoseOfALongRing(layout: VirtioFeatures) throws {
    let session = try Session(layout, size: 1024)
    try session.passLog()
    try session.setLogging(true)
    _ = session.takeLog()
    var pages: Set<Int> = []
    for _ in 0..<700 {
      try session.driver.add(4, sector: 0, token: 0)
      let changed = try session.serve()
      #expect(session.takeLog() == changed)
      pages.formUnion(changed)
      #expect(try session.driver.queue.used().count == 1)
    }
    #expect(pages.count >= 4)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing]) func nothingIsLoggedWhileThatIsOff(layout: VirtioFeatures) throws {
    let session = try Session(layout)
    try session.passLog()
    try session.add()
    #expect(try session.serve().count > 3 && session.takeLog().isEmpty)
    try session.setLogging(true)
    try session.setLogging(false)
    _ = session.takeLog()
    _ = try session.driver.queue.used()
    try session.add()
    #expect(try session.serve().count > 3 && session.takeLog().isEmpty)
    // The used ring is logged where the ring's flags say so.
    try session.passLog()
    try session.setLogging(true)
    try session.frontend.tell(.setVringAddress(session.address(false)))
    _ = session.takeLog()
    _ = try session.driver.queue.used()
    try session.driver.add(4, sector: 0)
    let (changed, logged) = (try session.serve(), session.takeLog())
    #expect(logged.count == 1 && changed.subtracting(logged).count == 1)
  }

  /// A request that was begun before the log is logged as a whole, and the device is not reset.
  @Test(arguments: [VirtioFeatures(), .packedRing]) func whatIsInFlightWhenTheLogBeginsIsLogged(
    layout: VirtioFeatures
  ) throws {
    let session = try Session(layout)
    let device = session.frontend.backend.device
    device.stepByteCount = 4096
    try session.driver.add(0, sector: 0, room: 24_576, token: 0)
    session.frontend.kick.ring()
    _ = try session.frontend.backend.step(milliseconds: 0)
    _ = try session.frontend.backend.step(milliseconds: 0)
    #expect(try session.driver.queue.used().isEmpty)
    for message in [
      session.message,
      .setFeatures(VirtioFeatures(rawValue: session.frontend.features.rawValue | 1 << 30 | 1 << 26)),
      .setVringAddress(session.address(true)),
    ] { try session.frontend.connection.send(message.encoded()) }
    try session.frontend.settle()
    #expect(try session.frontend.connection.receive()?.request == 6)
    #expect(try session.driver.queue.used().count == 1)
    let first = Int(session.driver.buffer.address.rawValue + 32_768 - session.frontend.region.guestBase.rawValue) >> 12
    #expect(session.takeLog().isSuperset(of: first...(first + 6)) && !device.isWriteThrough)
  }

  @Test func aRingThatIsToBeLoggedWaitsForTheLog() throws {
    let session = try Session([])
    try session.setLogging(true)
    try session.add()
    #expect(try session.serve().isEmpty)
    // A later log replaces the first, which is let go.
    try session.passLog()
    #expect(try session.driver.queue.used().count == 4 && session.takeLog().count > 3)
    let other = unsafe cvhost_file("log", 4096)
    defer { close(other) }
    #expect(
      try session.frontend.ask(
        .setLogBase(byteCount: 4096, fileOffset: 0, PassedDescriptor(borrowing: other))
      ).payload.isEmpty)
    #expect(session.takeLog().count <= 1)
    try session.add()
    #expect(try session.serve().count > 3 && session.takeLog().isEmpty && cvhost_mappings(other) == 1)
    try session.setLogging(false)
    #expect(cvhost_mappings(other) == 0 && cvhost_open_descriptors(other) == 1)
  }

  /// A queue that stops is published and logged before its base is told.
  @Test(arguments: [VirtioFeatures(), .packedRing]) func aRingThatStopsHasLoggedAll(layout: VirtioFeatures) throws {
    let session = try Session(layout)
    try session.passLog()
    try session.setLogging(true)
    _ = session.takeLog()
    try session.add()
    let changed = try session.serve()
    let base = try session.frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    #expect(session.takeLog() == changed && base & 0x7fff == (layout.contains(.packedRing) ? 15 : 4))
  }
}

extension DirtyLogTests {
  /// A log that does not fit, or that its owner can take away.
  @Test func aLogThatIsNoneIsRefused() throws {
    func failure(_ byteCount: UInt64, _ offset: UInt64 = 0, fileBytes: Int = 4096) throws -> VhostUserError? {
      let session = try Session([])
      let file = PassedDescriptor(owning: unsafe cvhost_file("log", fileBytes))
      return try session.frontend.failure(.setLogBase(byteCount: byteCount, fileOffset: offset, file))
    }
    #expect(try failure(0) == .memory(.invalidSize(0)))
    #expect(try failure(.max) == .memory(.invalidSize(.max)))
    for (count, offset) in [(UInt64(8192), UInt64(0)), (4096, 1), (64, .max - 63), (64, 1 << 63)] {
      let short = MemoryError.system(operation: "mapping \(count) bytes of a file", errno: EINVAL)
      #expect(try failure(count, offset) == .memory(short))
    }
    // The region ends at 2 MiB: 512 pages.
    #expect(try failure(63) == .log(byteCount: 63, needed: 64))
    #expect(try failure(64, 4032) == nil)
    let session = try Session([])
    session.frontend.backend.protocolFeatures.remove(.logSharedMemory)
    #expect(try session.frontend.failure(session.message) == .notNegotiated(request: 6, feature: .logSharedMemory))
  }

  /// There is no address behind the last one.
  @Test func aRegionThatEndsWhereAddressesDoNeedsALogOfAllPages() throws {
    let session = try Session([])
    let top = MemoryTableEntry(guestAddress: GuestPhysicalAddress(0 &- 0x1000), byteCount: 0x1000, userAddress: 0x1000)
    let file = PassedDescriptor(owning: unsafe cvhost_file("top", 4096))
    #expect(try session.frontend.ask(.setMemoryTable([top], [file]), needsReply: true).number() == 0)
    let log = PassedDescriptor(owning: unsafe cvhost_file("log", 4096))
    let failure = try session.frontend.failure(.setLogBase(byteCount: 4096, fileOffset: 0, log))
    #expect(failure == .log(byteCount: 4096, needed: 1 << 49))
  }

  @Test func loggingWithoutSharedMemoryIsRefused() throws {
    let session = try Session([])
    session.frontend.backend.protocolFeatures.remove(.logSharedMemory)
    let wanted = VirtioFeatures([.version1, BlockFeatures.flush, .logAll])
    #expect(
      try session.frontend.failure(.setFeatures(wanted)) == .notNegotiated(request: 2, feature: .logSharedMemory))
    let (near, far) = try VhostUserConnection.pair()
    var options = VhostUserOptions()
    options.protocolFeatures.remove(.logSharedMemory)
    let backend = VhostUserBackend(far, device: EntropyDevice(), options: options)
    #expect(!backend.offered.contains(.logAll))
    _ = near
  }

  /// The guest decides where its ring lies, and a front-end where that is logged: that ring stops.
  @Test func aUsedRingBehindTheLogStopsAlone() throws {
    for (log, needed) in [(UInt64(1 << 27), UInt64(4097)), (.max - 1, 1 << 49)] {
      let session = try Session([])
      try session.passLog()
      try session.setLogging(true)
      var address = session.address(true)
      address.log = log
      #expect(try session.frontend.ask(.setVringAddress(address), needsReply: true).number() == 1)
      let failures = session.frontend.backend.takeFailures().map(\.failure)
      #expect(failures == [.setup(.log(byteCount: 4096, needed: needed))])
      #expect(try session.frontend.ask(.getQueueCount).number() == 1)
    }
  }

  @Test(.disabled(if: cvhost_has_thread_sanitizer(), "an atomic of the thread sanitizer does not survive a fault"))
  func aLogThatIsTakenAwayEndsTheConnection() throws {
    let session = try Session([])
    let file = unsafe cvhost_file("log", 4096)
    defer { close(file) }
    _ = try session.frontend.ask(.setLogBase(byteCount: 4096, fileOffset: 0, PassedDescriptor(borrowing: file)))
    try session.setLogging(true)
    #expect(ftruncate(file, 0) == 0)
    try session.add()
    #expect(throws: VhostUserError.memory(.lost(GuestPhysicalAddress(0), byteCount: 4096))) { _ = try session.serve() }
  }

  @Test func aLogThatCouldShrinkIsRefusedWhereThatIsAskedFor() throws {
    let (near, far) = try VhostUserConnection.pair()
    var options = VhostUserOptions()
    options.mustBeSealed = true
    let backend = VhostUserBackend(far, device: EntropyDevice(), options: options)
    try near.send(FrontendMessage.setProtocolFeatures(.logSharedMemory).encoded())
    let file = PassedDescriptor(owning: unsafe cvhost_file("log", 4096))
    try near.send(FrontendMessage.setLogBase(byteCount: 4096, fileOffset: 0, file).encoded())
    #expect(throws: VhostUserError.memory(.notSealed(byteCount: 4096))) {
      while try backend.step(milliseconds: 0) {}
    }
  }

  /// Whatever it is: all eventfds are one file to the kernel, so that another test's could not be told from it.
  @Test func theDescriptorOfTheLogsBellIsTakenAndClosed() throws {
    let session = try Session([])
    let file = unsafe cvhost_file("bell", 4096)
    defer { close(file) }
    let passed = PassedDescriptor(borrowing: file)
    #expect(try session.frontend.ask(.setLogFile(passed), needsReply: true).number() == 0)
    #expect(cvhost_open_descriptors(file) == 1)
  }

  /// VHOST_USER_SET_DEVICE_STATE_FD and VHOST_USER_CHECK_DEVICE_STATE: a disk's state is in its image and its rings.
  @Test(arguments: [42, 43] as [UInt32]) func aTransferOfTheDevicesStateIsRefused(request: UInt32) throws {
    let session = try Session([])
    #expect(try session.frontend.ask(.getProtocolFeatures).number() & 1 << 19 == 0)
    #expect(try session.frontend.failure(VhostUserMessage(request: request)) == .unknownRequest(request))
  }
}

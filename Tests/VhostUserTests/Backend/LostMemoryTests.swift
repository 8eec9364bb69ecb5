import CVhostUAPI
import Glibc
import RingKit
import Testing

@testable import VhostUser

/// Memory that a front-end can take away: it ends its own connection, or is not taken to begin with.
@Suite struct LostMemoryTests {
  /// A session whose only region lies in a file that can shrink.
  private final class Session {
    let near: VhostUserConnection
    let backend: VhostUserBackend<BlockDevice>
    let guest: Int32

    init(sealed: Bool = false) throws {
      let (near, far) = try VhostUserConnection.pair()
      self.near = near
      var options = VhostUserOptions()
      options.mustBeSealed = sealed
      let file = ScratchFile(sectors: 8)
      backend = VhostUserBackend(far, device: try BlockDevice(path: file.path), options: options)
      guest = unsafe cvhost_file("guest", 1 << 20)
      try tell(.setProtocolFeatures(VhostUserOptions.allProtocolFeatures))
      try tell(.setFeatures(VirtioFeatures(rawValue: VirtioFeatures.version1.rawValue | ProtocolFeatures.deviceBit)))
    }

    deinit { close(guest) }

    func tell(_ message: FrontendMessage) throws {
      try near.send(message.encoded())
      while try backend.step(milliseconds: 0) {}
      while try near.receive() != nil {}
    }

    func failure(_ message: FrontendMessage) throws -> VhostUserError? {
      do throws(VhostUserError) {
        try near.send(message.encoded())
        while try backend.step(milliseconds: 0) {}
      } catch { return error }
      return nil
    }

    func table(_ file: Int32, byteCount: UInt64 = 1 << 20) -> FrontendMessage {
      .setMemoryTable(
        [MemoryTableEntry(guestAddress: GuestPhysicalAddress(1 << 30), byteCount: byteCount, userAddress: 0)],
        [PassedDescriptor(borrowing: file)])
    }

    /// Everything that a ring needs, in the region's first pages; looked at without a kick.
    func startRing() throws {
      try tell(.setVringSize(VringState(index: 0, value: 16)))
      try tell(.setVringAddress(VringAddress(index: 0, descriptors: 0, used: 8192, available: 4096)))
      try tell(.setVringEnable(VringState(index: 0, value: 1)))
    }
  }

  @Test func guestMemoryThatIsTakenAwayEndsTheConnection() throws {
    let session = try Session()
    try session.tell(session.table(session.guest))
    try session.startRing()
    #expect(ftruncate(session.guest, 0) == 0)
    #expect(
      try session.failure(.setVringKick(index: 0, nil))
        == .memory(.lost(GuestPhysicalAddress(1 << 30), byteCount: 1 << 20)))
    // The process lives, and has nothing of it left.
    #expect(!session.backend.vrings[0].isRunning)
  }

  @Test func notesThatAreTakenAwayEndTheConnection() throws {
    let session = try Session()
    try session.tell(session.table(session.guest))
    let notes = unsafe cvhost_file("notes", 8192)
    defer { close(notes) }
    let description = InflightDescription(byteCount: 8192, queueCount: 1, queueSize: 16)
    try session.tell(.setInflight(description, PassedDescriptor(borrowing: notes)))
    try session.startRing()
    #expect(ftruncate(notes, 0) == 0)
    #expect(
      try session.failure(.setVringKick(index: 0, nil))
        == .memory(.lost(GuestPhysicalAddress(0), byteCount: 8192)))
  }

  @Test func sealedMemoryAloneIsTakenWhereThatIsAskedFor() throws {
    let session = try Session(sealed: true)
    let refused = MemoryError.notSealed(byteCount: 1 << 20)
    #expect(try session.failure(session.table(session.guest)) == .memory(refused))
  }

  @Test func soAreNotesOfWhatIsInFlight() throws {
    let session = try Session(sealed: true)
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 1 << 20)
    try session.tell(session.table(try #require(region.fileDescriptor)))
    // Its own, handed back.
    try session.near.send(FrontendMessage.getInflight(InflightDescription(queueCount: 1, queueSize: 16)).encoded())
    while try session.backend.step(milliseconds: 0) {}
    let (given, file) = try #require(try session.near.receive()).inflight()
    try session.tell(.setInflight(given, file))
    let notes = unsafe cvhost_file("notes", 8192)
    defer { close(notes) }
    let description = InflightDescription(byteCount: 8192, queueCount: 1, queueSize: 16)
    let refused = MemoryError.notSealed(byteCount: 8192)
    #expect(
      try session.failure(.setInflight(description, PassedDescriptor(borrowing: notes))) == .memory(refused))
  }

  /// Sealed against shrinking, and not there: of huge pages that are not reserved.
  @Test func soAreHugePagesThatTheMachineHas() throws {
    let byteCount = 1 << 40
    let huge = unsafe cvhost_huge_file("huge", byteCount)
    guard huge >= 0 else {
      print("no file of huge pages can be made here: skipped")
      return
    }
    defer { close(huge) }
    let session = try Session(sealed: true)
    let refused = MemoryError.system(operation: "mapping \(byteCount) bytes of a file", errno: ENOMEM)
    #expect(try session.failure(session.table(huge, byteCount: UInt64(byteCount))) == .memory(refused))
  }

  @Test func aDriversMemoryThatIsTakenAwayEndsItsSession() throws {
    let file = unsafe cvhost_file("guest", 4096 * 4)
    let copy = dup(file)
    let region = try MemoryRegion(mapping: copy, fileOffset: 0, byteCount: 4096 * 4, at: GuestPhysicalAddress(1 << 30))
    let backend = try ScriptedBackend()
    backend.start()
    defer {
      backend.stop()
      close(file)
    }
    try backend.frontend.negotiate([], required: [], queues: 1)
    try backend.frontend.share(try GuestMemory([region]))
    try backend.frontend.service()
    #expect(!region.isLost && ftruncate(file, 0) == 0)
    #expect(unsafe SharedMemory(region.hostBase, byteCount: 4096).load32(0) == 0 && region.isLost)
    let lost = FrontendError.memory(.lost(region.guestBase, byteCount: 4096 * 4))
    #expect(throws: lost) { try backend.frontend.service() }
    #expect(throws: lost) { _ = try backend.frontend.config(offset: 0, byteCount: 8) }
  }
}

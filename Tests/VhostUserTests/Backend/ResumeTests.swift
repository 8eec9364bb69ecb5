import RingKit
import Testing
import VhostUser

/// A back-end that dies, and the one that takes its place.
@Suite struct ResumeTests {
  @Test(arguments: [VirtioFeatures(), .packedRing], [true, false])
  func theNextOneFinishesWhatWasBegun(layout: VirtioFeatures, notesInflight: Bool) throws {
    let file = ScratchFile(sectors: 64)
    let features = layout.union([.version1])
    let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 1 << 20)
    let disk = try BlockDevice(path: file.path)
    let survivor = try ScriptedFrontend(disk, features: features, region: region)
    let driver = try DiskDriver(survivor, size: 64)
    var kept: (InflightDescription, PassedDescriptor)?
    var dying: ScriptedFrontend<MortalDisk>? = try ScriptedFrontend(
      MortalDisk(disk, lives: 3, fetching: 1), features: features, region: region)
    if let dying {
      try dying.negotiate()
      if notesInflight {
        let wanted = InflightDescription(queueCount: 1, queueSize: 64)
        let reply = try dying.ask(.getInflight(wanted)).inflight()
        kept = reply
        try dying.tell(.setInflight(reply.0, reply.1))
      }
      try dying.start(size: 64, base: driver.frontend.firstBase, parts: driver.parts)
      for token in 0..<6 {
        try driver.add(
          1, sector: UInt64(token), sent: [UInt8](repeating: UInt8(100 + token), count: 512), token: UInt64(token))
      }
      dying.kick.ring()
      try dying.settle()
      #expect(dying.backend.device.seen.count == 1)
    }
    // Dies without a word: the connection, the queue and its notes go as they are.
    dying = nil
    for _ in 0..<3 { #expect(try driver.nextUsed()?.writtenByteCount == 1) }
    #expect(try driver.nextUsed() == nil)
    try survivor.negotiate()
    if let kept { try survivor.tell(.setInflight(kept.0, kept.1)) }
    // With notes the front-end need not know where the ring stands; without them it has to.
    let known: UInt32 = layout.contains(.packedRing) ? 0x8009_8009 : 3
    try driver.start(base: notesInflight ? driver.frontend.firstBase : known)
    try survivor.settle()
    for token in 3..<6 {
      let used = try driver.nextUsed()
      #expect(used?.token == UInt64(token) && driver.result(room: 0, token: UInt64(token)).status == 0)
    }
    for token in 0..<6 {
      #expect(file.read(sector: token, count: 512).allSatisfy { $0 == UInt8(100 + token) }, "sector \(token)")
    }
    #expect(try driver.perform(4, sector: 0).status == 0)
    #expect(survivor.call.take())
  }

  /// The memory is the front-end's, which may pass it again: the driver of then has nothing in flight.
  @Test(arguments: [VirtioFeatures(), .packedRing]) func aResetVoidsTheNotes(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 64)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: layout.union([.version1]))
    try frontend.negotiate()
    let wanted = InflightDescription(queueCount: 1, queueSize: 16)
    let (description, notes) = try frontend.ask(.getInflight(wanted)).inflight()
    for round in 0..<2 {
      try frontend.tell(.setInflight(description, notes))
      // Its rings are new, and begin where new ones do.
      let driver = try DiskDriver(frontend, size: 16)
      try driver.start(base: driver.frontend.firstBase)
      for sector in 0..<5 as Range<UInt64> {
        #expect(try driver.perform(0, sector: sector, room: 512).status == 0, "round \(round)")
      }
      #expect(try frontend.ask(.resetDevice, needsReply: true).number() == 0)
    }
    #expect(frontend.backend.takeFailures().isEmpty)
  }
}

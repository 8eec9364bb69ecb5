import RingKit
import Testing

@testable import VhostUser

/// A request that is larger than what one step may take, and one that is larger than the ring.
@Suite struct BlockBudgetTests {
  private struct Rig {
    let frontend: ScriptedFrontend<BlockDevice>
    let queue: ScriptedQueue
    let buffer: GuestBuffer
    let size: Int
    var device: BlockDevice { frontend.backend.device }

    init(_ file: ScratchFile, _ features: VirtioFeatures, size: Int = 16) throws {
      let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 8 << 20)
      frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: features, region: region)
      try frontend.negotiate()
      queue = try ScriptedQueue(frontend, features: features, size: size)
      buffer = try frontend.allocator.allocate(2 << 20, alignment: 4096)
      self.size = size
      device.stepByteCount = 64 << 10
      device.stepNanoseconds = .max / 2
      try start()
    }

    func start() throws { try frontend.start(size: size, base: frontend.firstBase, parts: queue.parts) }

    /// A request whose data are the first megabyte from 4 KiB on, in three parts.
    func add(_ type: UInt32, sector: UInt64) throws {
      let bytes = unsafe buffer.bytes
      unsafe bytes.storeBytes(of: type, as: UInt32.self)
      unsafe bytes.storeBytes(of: sector, toByteOffset: 8, as: UInt64.self)
      unsafe bytes.storeBytes(of: 0xee, toByteOffset: 100, as: UInt8.self)
      let lengths = [100_000, 900_000, (1 << 20) - 1_000_000]
      var at = 4096
      let data = lengths.map { length in
        defer { at += length }
        return buffer.segment(at: at, length: length)
      }
      let (header, status) = (buffer.segment(at: 0, length: 16), buffer.segment(at: 100, length: 1))
      if type == 1 {
        try queue.add(readable: [header] + data, writable: [status], token: 0)
      } else {
        try queue.add(readable: [header], writable: data + [status], token: 0)
      }
      frontend.kick.ring()
    }

    var data: [UInt8] { unsafe [UInt8](buffer.bytes[4096..<(4096 + 1 << 20)]) }
    var status: UInt8 { unsafe buffer.bytes[100] }
  }

  private static func bytes(_ seed: Int) -> [UInt8] {
    (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 9) &+ seed) }
  }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder, .indirectDescriptors])
  func aLargeRequestIsDoneInSteps(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 4096)
    let rig = try Rig(file, layout.union(.version1))
    let bytes = Self.bytes(1)
    unsafe UnsafeMutableRawBufferPointer(rebasing: rig.buffer.bytes[4096...]).copyBytes(from: bytes)
    try rig.add(1, sector: 1000)
    // Not in one step, and the front-end is answered between two.
    _ = try rig.frontend.backend.step(milliseconds: 0)
    var used = try rig.queue.nextUsed()
    #expect(used == nil && rig.status == 0xee)
    try rig.frontend.connection.send(FrontendMessage.getFeatures.encoded())
    _ = try rig.frontend.backend.step(milliseconds: 0)
    #expect(try rig.frontend.connection.receive() != nil)
    used = try rig.queue.nextUsed()
    #expect(used == nil)
    try rig.frontend.settle()
    used = try rig.queue.nextUsed()
    #expect(used?.writtenByteCount == 1 && rig.status == 0)
    #expect(file.read(sector: 1000, count: 1 << 20) == bytes)
    // And back.
    unsafe UnsafeMutableRawBufferPointer(rebasing: rig.buffer.bytes[4096...]).initializeMemory(
      as: UInt8.self, repeating: 0)
    try rig.add(0, sector: 1000)
    _ = try rig.frontend.backend.step(milliseconds: 0)
    used = try rig.queue.nextUsed()
    #expect(used == nil)
    try rig.frontend.settle()
    used = try rig.queue.nextUsed()
    #expect(used?.writtenByteCount == 1 << 20 | 1 && rig.status == 0)
    #expect(rig.data == bytes)
    #expect(rig.device.done == 2 && rig.frontend.backend.takeFailures().isEmpty)
  }

  @Test func whatAFailedRequestLeavesIsZeroedInSteps() throws {
    let file = ScratchFile(sectors: 8)
    let rig = try Rig(file, .version1)
    unsafe UnsafeMutableRawBufferPointer(rebasing: rig.buffer.bytes[4096...]).initializeMemory(
      as: UInt8.self, repeating: 0xaa)
    try rig.add(0, sector: 0)
    _ = try rig.frontend.backend.step(milliseconds: 0)
    var used = try rig.queue.nextUsed()
    #expect(used == nil)
    try rig.frontend.settle()
    used = try rig.queue.nextUsed()
    #expect(used?.writtenByteCount == 1 << 20 | 1 && rig.status == 1)
    #expect(rig.data.allSatisfy { $0 == 0 })
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aRequestThatWasBegunIsDoneFromItsBeginningAfterAStop(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 4096)
    let rig = try Rig(file, layout.union(.version1))
    let bytes = Self.bytes(2)
    unsafe UnsafeMutableRawBufferPointer(rebasing: rig.buffer.bytes[4096...]).copyBytes(from: bytes)
    try rig.add(1, sector: 8)
    _ = try rig.frontend.backend.step(milliseconds: 0)
    // Not through `ask`, which lets the back-end go on first.
    try rig.frontend.connection.send(FrontendMessage.getVringBase(VringState(index: 0, value: 0)).encoded())
    _ = try rig.frontend.backend.step(milliseconds: 0)
    let base = try #require(try rig.frontend.connection.receive()).vringState().value
    #expect(base == rig.frontend.firstBase)
    try rig.start()
    try rig.frontend.settle()
    let used = try rig.queue.nextUsed()
    #expect(used?.writtenByteCount == 1 && rig.status == 0)
    #expect(file.read(sector: 8, count: 1 << 20) == bytes)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aTableMayBeAsLongAsARequestMay(layout: VirtioFeatures) throws {
    // 126 segments in a queue of 16, as the configuration space says, and one more.
    for (count, isTaken) in [(126, true), (127, false)] {
      let file = ScratchFile(sectors: 1024)
      let features = layout.union([.version1, .indirectDescriptors])
      let rig = try Rig(file, features)
      let seen = try rig.frontend.ask(.getConfig(ConfigAccess(offset: 12, bytes: [0, 0, 0, 0]))).configAccess()
      #expect(seen?.bytes == [126, 0, 0, 0])
      let bytes = unsafe rig.buffer.bytes
      unsafe bytes.storeBytes(of: 0, as: UInt32.self)
      unsafe bytes.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
      // The driver's end keeps the rule; this one writes table and descriptor itself.
      let table = 0x10_0000
      for i in 0..<(count + 2) {
        let (at, length, flags): (Int, UInt32, UInt64) =
          i == 0 ? (0, 16, 0) : i == count + 1 ? (100, 1, 2) : (4096 + 512 * (i - 1), 512, 2)
        let link: UInt64 = !layout.contains(.packedRing) && i <= count ? 1 | UInt64(i + 1) << 16 : 0
        let address = rig.buffer.address.rawValue + UInt64(at)
        unsafe bytes.storeBytes(of: address, toByteOffset: table + 16 * i, as: UInt64.self)
        let word =
          layout.contains(.packedRing) ? UInt64(length) | flags << 48 : UInt64(length) | (flags << 32) | (link << 32)
        unsafe bytes.storeBytes(of: word, toByteOffset: table + 16 * i + 8, as: UInt64.self)
      }
      try offer(rig, table: rig.buffer.address.rawValue + UInt64(table), entries: count + 2)
      rig.frontend.kick.ring()
      try rig.frontend.settle()
      #expect(rig.device.done == (isTaken ? 1 : 0))
      #expect(rig.frontend.backend.takeFailures().isEmpty == isTaken)
    }
  }

  /// Makes a table available in the ring's first slot.
  private func offer(_ rig: Rig, table: UInt64, entries: Int) throws {
    let region = rig.frontend.region
    func memory(_ address: GuestPhysicalAddress) -> SharedMemory {
      unsafe SharedMemory(
        region.hostBase.advanced(by: Int(address.rawValue - region.guestBase.rawValue)), byteCount: 64)
    }
    let isPacked = rig.frontend.features.contains(.packedRing)
    let ring = memory(rig.queue.parts.0)
    ring.store64(table, 0)
    if isPacked {
      // Available in the first lap: bit 7 set, bit 15 not; bit 2 is the table.
      ring.store64(UInt64(16 * entries) | UInt64(0x0084) << 48, 8)
    } else {
      ring.store64(UInt64(16 * entries) | 4 << 32, 8)
      memory(rig.queue.parts.available).store16(0, 4)
      memory(rig.queue.parts.available).store16(1, 2)
    }
  }

  @Test func withoutTablesARequestFitsIntoTheRing() throws {
    let rig = try Rig(ScratchFile(sectors: 8), .version1)
    let seen = try rig.frontend.ask(.getConfig(ConfigAccess(offset: 12, bytes: [0, 0, 0, 0]))).configAccess()
    #expect(seen?.bytes == [14, 0, 0, 0])
  }
}

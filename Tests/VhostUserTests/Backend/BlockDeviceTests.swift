import CVhostUAPI
import RingKit
import Testing
import VhostUser

/// The disk, driven from beginning to end over a socket.
@Suite struct BlockDeviceTests {
  static let variants: [VirtioFeatures] = [
    [], [.packedRing], [.indirectDescriptors, .eventIndex], [.packedRing, .indirectDescriptors, .eventIndex],
    [.inOrder], [.packedRing, .inOrder], [.accessPlatform], [.packedRing, .accessPlatform, .indirectDescriptors],
  ]

  @Test(arguments: variants) func writesAndReadsBack(features: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 64)
    let device = try BlockDevice(path: file.path)
    let frontend = try ScriptedFrontend(device, features: features.union(.version1))
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: driver.frontend.firstBase)
    // Several laps of the ring.
    for round in 0..<40 {
      let bytes = (0..<1024).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
      let sector = UInt64(round)
      #expect(try driver.perform(1, sector: sector, sent: bytes).status == 0)
      #expect(file.read(sector: round, count: 1024) == bytes)
      let back = try driver.perform(0, sector: sector, room: 1024)
      #expect(back.status == 0 && back.data == bytes)
    }
    #expect(try driver.perform(4, sector: 0).status == 0)
    let name = try driver.perform(8, sector: 0, room: 20)
    #expect(name.status == 0 && name.data.starts(with: Array("ringkit".utf8)) && name.data[7] == 0)
    #expect(frontend.call.take())
    #expect(frontend.backend.takeFailures().isEmpty)
    let counts = frontend.backend.counts
    #expect(counts.completed == 82 && counts.starts == 1)
    if features.contains(.accessPlatform) {
      // Every page once: the ring's, the buffer's two halves and, where there are any, the tables'.
      #expect(counts.misses == frontend.answered.count && counts.updates == counts.misses)
      #expect(Set(frontend.answered.map(\.address)).count >= 3 && counts.work[.iotlbHits] > 82)
    } else {
      #expect(counts.misses == 0)
    }
    // Where it ended: 82 buffers on.
    let base = try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState()
    if !features.contains(.packedRing) { #expect(base.value == 82) }
  }

  @Test func refusesWhatIsNotOnTheDisk() throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1])
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    let sector = [UInt8](repeating: 9, count: 512)
    #expect(try driver.perform(1, sector: 8, sent: sector).status == 1)
    #expect(try driver.perform(1, sector: .max, sent: sector).status == 1)
    #expect(try driver.perform(1, sector: 0, sent: [1, 2, 3]).status == 1)
    let beyond = try driver.perform(0, sector: 7, room: 1024)
    #expect(beyond.status == 1 && beyond.data.allSatisfy { $0 == 0 })
    #expect(try driver.perform(99, sector: 0).status == 2)
    for i in 0..<8 { #expect(file.read(sector: i, count: 512).allSatisfy { $0 == UInt8(i) }) }
    #expect(frontend.backend.device.failed == 5)
  }

  @Test func discardsAndWritesZeros() throws {
    let file = ScratchFile(sectors: 32)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1])
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    func range(_ sector: UInt8, _ count: UInt8, flags: UInt8 = 0) -> [UInt8] {
      [sector, 0, 0, 0, 0, 0, 0, 0, count, 0, 0, 0, flags, 0, 0, 0]
    }
    #expect(try driver.perform(13, sector: 0, sent: range(4, 2) + range(10, 1, flags: 1)).status == 0)
    #expect(try driver.perform(11, sector: 0, sent: range(20, 4)).status == 0)
    for i in 0..<32 {
      let expected = [4, 5, 10, 20, 21, 22, 23].contains(i) ? 0 : UInt8(i)
      #expect(file.read(sector: i, count: 512).allSatisfy { $0 == expected }, "sector \(i)")
    }
    // One bad range, and none is touched; a discard that may unmap means nothing.
    #expect(try driver.perform(13, sector: 0, sent: range(0, 2) + range(31, 2)).status == 1)
    #expect(try driver.perform(11, sector: 0, sent: range(1, 1, flags: 1)).status == 2)
    #expect(try driver.perform(11, sector: 0, sent: [1]).status == 1)
    #expect(file.read(sector: 1, count: 512).allSatisfy { $0 == 1 })
  }

  @Test func aReadOnlyDiskStaysAsItIs() throws {
    let file = ScratchFile(sectors: 8)
    var options = BlockOptions()
    options.isReadOnly = true
    let device = try BlockDevice(path: file.path, options: options)
    #expect(device.deviceFeatures.rawValue & 1 << UInt64(VIRTIO_BLK_F_RO) != 0)
    let frontend = try ScriptedFrontend(device, features: [.version1])
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    #expect(try driver.perform(1, sector: 1, sent: [UInt8](repeating: 9, count: 512)).status == 1)
    #expect(try driver.perform(0, sector: 1, room: 512).data.allSatisfy { $0 == 1 })
  }

  @Test func theConfigurationSpaceIsTheKernels() throws {
    let file = ScratchFile(sectors: 80)
    var options = BlockOptions()
    options.queueCount = 3
    options.blockSize = 4096
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path, options: options), features: [.version1])
    try frontend.negotiate()
    let wanted = ConfigAccess(offset: 0, bytes: [UInt8](repeating: 0xff, count: MemoryLayout<virtio_blk_config>.size))
    let access = try #require(try frontend.ask(.getConfig(wanted)).configAccess())
    let kernel = unsafe access.bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: virtio_blk_config.self) }
    #expect(kernel.capacity == 80 && kernel.seg_max == 126 && kernel.blk_size == 4096 && kernel.num_queues == 3)
    #expect(kernel.max_discard_seg == 16 && kernel.max_write_zeroes_seg == 16 && kernel.discard_sector_alignment == 1)
    #expect(kernel.max_discard_sectors == 1 << 22 && kernel.max_write_zeroes_sectors == 1 << 22)
    #expect(kernel.write_zeroes_may_unmap == 1 && kernel.size_max == 0)
    #expect(try frontend.ask(.getQueueCount).number() == 3)
    // Nothing of it may be written.
    #expect(try frontend.ask(.setConfig(ConfigAccess(offset: 32, bytes: [1])), needsReply: true).number() == 1)
  }
}

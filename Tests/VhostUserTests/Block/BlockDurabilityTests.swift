import Glibc
import RingKit
import Testing

@testable import VhostUser

/// What a completed write promises (virtio 1.2, 5.2.6.2), by the system calls that make an image stable.
@Suite struct BlockDurabilityTests {
  private static let flush = VirtioFeatures(rawValue: 1 << 9)

  private func driver(_ file: ScratchFile, _ features: VirtioFeatures) throws -> DiskDriver {
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: features)
    try frontend.negotiate()
    #expect(try frontend.ask(.getFeatures).number() & Self.flush.rawValue != 0)
    let driver = try DiskDriver(frontend, size: 64)
    try driver.start(base: frontend.firstBase)
    return driver
  }

  private func range(_ sector: UInt8) -> [UInt8] { [sector, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder])
  func whatADriverWithoutFlushChangedIsStable(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 8)
    let driver = try driver(file, layout.union(.version1))
    let image = driver.frontend.backend.device.image
    let sector = [UInt8](repeating: 7, count: 512)
    #expect(try driver.perform(1, sector: 1, sent: sector).status == 0 && image.flushCount == 1)
    #expect(try driver.perform(13, sector: 0, sent: range(2)).status == 0 && image.flushCount == 2)
    #expect(try driver.perform(11, sector: 0, sent: range(3)).status == 0 && image.flushCount == 3)
    // Nothing changed: nothing to make stable.
    #expect(try driver.perform(0, sector: 1, room: 512).data == sector && image.flushCount == 3)
    #expect(try driver.perform(1, sector: 9, sent: sector).status == 1 && image.flushCount == 3)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder])
  func writesOfOneStepAreMadeStableTogether(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 8)
    let driver = try driver(file, layout.union(.version1))
    driver.frontend.backend.device.stepNanoseconds = .max / 2
    for token in 0..<6 as Range<UInt64> {
      try driver.add(1, sector: token, sent: [UInt8](repeating: 9, count: 512), token: token)
    }
    driver.frontend.kick.ring()
    try driver.frontend.settle()
    for token in 0..<6 as Range<UInt64> {
      #expect(try driver.nextUsed()?.token == token)
      #expect(driver.result(room: 0, token: token).status == 0)
    }
    #expect(driver.frontend.backend.device.image.flushCount == 1)
  }

  /// What cannot be made stable is not done: each write of a step without FLUSH, and a flush, end with IOERR.
  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder])
  func whatCannotBeMadeStableIsAnError(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 8)
    let sector = [UInt8](repeating: 7, count: 512)
    let through = try driver(file, layout.union(.version1))
    let device = through.frontend.backend.device
    device.image.synchronize = { _ in ENOSPC }
    #expect(try through.perform(1, sector: 1, sent: sector).status == 1)
    #expect(try through.perform(13, sector: 0, sent: range(2)).status == 1)
    #expect(device.done == 0 && device.failed == 2)
    // A read needs nothing of that.
    #expect(try through.perform(0, sector: 1, room: 512).status == 0)
    device.stepNanoseconds = .max / 2
    for token in 0..<3 as Range<UInt64> {
      let isRead = token == 1
      try through.add(
        isRead ? 0 : 1, sector: token, sent: isRead ? [] : sector, room: isRead ? 512 : 0, token: token)
    }
    through.frontend.kick.ring()
    try through.frontend.settle()
    for token in 0..<3 as Range<UInt64> {
      #expect(try through.nextUsed()?.token == token)
      #expect(through.result(room: token == 1 ? 512 : 0, token: token).status == (token == 1 ? 0 : 1))
    }
    let other = ScratchFile(sectors: 8)
    let behind = try driver(other, layout.union([.version1, Self.flush]))
    behind.frontend.backend.device.image.synchronize = { _ in EIO }
    #expect(try behind.perform(1, sector: 1, sent: sector).status == 0)
    #expect(try behind.perform(4, sector: 0).status == 1)
  }

  /// The kernel reports a failed write-back once and drops what it was about: a flush that succeeds after it would
  /// promise what is lost.
  @Test(arguments: [VirtioFeatures(), flush]) func noFlushSucceedsBehindOneThatFailed(extra: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 8)
    let driver = try driver(file, extra.union(.version1))
    let image = driver.frontend.backend.device.image
    var errors = [0, ENOSPC, 0, 0][...]
    image.synchronize = { _ in errors.removeFirst() }
    let sector = [UInt8](repeating: 7, count: 512)
    func makeStable() throws -> UInt8 {
      let written = try driver.perform(1, sector: 1, sent: sector).status
      return extra.isEmpty ? written : try driver.perform(4, sector: 0).status
    }
    #expect(try (0..<4).map { _ in try makeStable() } == [0, 1, 1, 1])
    // What is there can be read, and the guest told once why.
    #expect(try driver.perform(0, sector: 1, room: 512).data == sector)
    #expect(
      driver.frontend.backend.device.takeErrors() == [.system(operation: "flushing the image", errno: ENOSPC)])
  }

  @Test func aDriverWithFlushAsksForIt() throws {
    let file = ScratchFile(sectors: 8)
    let driver = try driver(file, [.version1, Self.flush])
    let image = driver.frontend.backend.device.image
    #expect(try driver.perform(1, sector: 1, sent: [UInt8](repeating: 7, count: 512)).status == 0)
    #expect(try driver.perform(13, sector: 0, sent: range(2)).status == 0)
    #expect(try driver.perform(11, sector: 0, sent: range(3)).status == 0)
    #expect(image.flushCount == 0)
    #expect(try driver.perform(4, sector: 0).status == 0 && image.flushCount == 1)
  }
}

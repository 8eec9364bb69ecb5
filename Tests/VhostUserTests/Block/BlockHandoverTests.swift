import Glibc
import RingKit
import Testing

@testable import VhostUser

/// An image that two devices have open, for a guest that moves from one to the other.
@Suite struct BlockHandoverTests {
  private func driver(_ file: ScratchFile, isHandedOver: Bool = true) throws -> DiskDriver {
    var options = BlockOptions()
    options.isHandedOver = isHandedOver
    let device = try BlockDevice(path: file.path, options: options)
    let frontend = try ScriptedFrontend(device, features: [.version1, BlockFeatures.flush])
    try frontend.negotiate()
    return try DiskDriver(frontend)
  }

  private func stop(_ driver: DiskDriver) throws {
    _ = try driver.frontend.ask(.getVringBase(VringState(index: 0, value: 0)))
  }

  private func failures(_ driver: DiskDriver) -> [VringFailure] {
    driver.frontend.backend.takeFailures().map(\.failure)
  }

  private let inUse = VringFailure.device("the image: \(BlockImageError.inUse)")

  @Test func theImageIsTheDevicesWhoseQueueRuns() throws {
    let file = ScratchFile(sectors: 8)
    let (source, target) = (try driver(file), try driver(file))
    source.frontend.kick.ring()
    try source.start(base: 0)
    #expect(try source.perform(1, sector: 3, sent: [UInt8](repeating: 9, count: 512)).status == 0)
    // Too early: its queue stops, until the front-end starts it anew.
    target.frontend.kick.ring()
    try target.start(base: 0)
    #expect(failures(target) == [inUse])
    #expect(throws: BlockImageError.inUse) { _ = try BlockDevice(path: file.path) }
    try stop(target)
    // What changes while a queue runs does not let the image go.
    try source.frontend.share()
    target.frontend.kick.ring()
    try target.start(base: 0)
    #expect(failures(target) == [inUse])
    try stop(target)
    let flushes = source.frontend.backend.device.image.flushCount
    try stop(source)
    #expect(source.frontend.backend.device.image.flushCount == flushes + 1)
    target.frontend.kick.ring()
    try target.start(base: 0)
    #expect(try target.perform(0, sector: 3, room: 512).data.allSatisfy { $0 == 9 })
    #expect(failures(target).isEmpty && failures(source).isEmpty)
    // The other way round: the guest did not get there, and the source goes on.
    try stop(target)
    source.frontend.kick.ring()
    try source.start(base: 1)
    #expect(failures(source).isEmpty)
  }

  @Test(arguments: [true, false]) func itIsLetGoWithTheFrontendOrItsDriver(isReset: Bool) throws {
    let file = ScratchFile(sectors: 8)
    let source = try driver(file)
    source.frontend.kick.ring()
    try source.start(base: 0)
    #expect(throws: BlockImageError.inUse) { _ = try BlockDevice(path: file.path) }
    if isReset {
      #expect(try source.frontend.ask(.resetDevice, needsReply: true).number() == 0)
    } else {
      source.frontend.backend.end()
    }
    _ = try BlockDevice(path: file.path)
  }

  @Test func anImageOfAnotherSizeIsNotTaken() throws {
    let file = ScratchFile(sectors: 8)
    let target = try driver(file)
    ftruncate(file.fileDescriptor, 1024)
    target.frontend.kick.ring()
    try target.start(base: 0)
    #expect(failures(target) == [.device("the image: \(BlockImageError.shrunk(to: 1024, from: 4096))")])
    // And not kept.
    _ = try BlockDevice(path: file.path)
  }

  @Test func withoutAHandoverItIsTheDevicesAsLongAsThatIsThere() throws {
    let file = ScratchFile(sectors: 8)
    let source = try driver(file, isHandedOver: false)
    try source.start(base: 0)
    try stop(source)
    #expect(throws: BlockImageError.inUse) { _ = try BlockDevice(path: file.path) }
  }
}

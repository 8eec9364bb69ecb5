import RingKit
import Testing
import VhostUser

/// Queues that have more to do than one call of their device takes.
@Suite struct BusyQueueTests {
  /// Completes one buffer a call, and says that there may be more.
  private final class SlowDevice: VhostUserDevice {
    let deviceFeatures: VirtioFeatures = []
    let queueCount = 1
    let configuration: [UInt8] = []
    var calls = 0

    func configure(_ features: VirtioFeatures) {}
    func reset() {}

    func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
      calls += 1
      return try queue.serve(atMost: 1) { buffer throws(VringFailure) in try buffer.write(UInt32(calls)) }
    }
  }

  private static func driver(
    _ device: SlowDevice, _ layout: VirtioFeatures, buffers: UInt64, _ clock: WaitClock
  ) throws -> BodyDriver<SlowDevice> {
    let driver = try BodyDriver(device, features: layout)
    driver.frontend.backend.clock = clock
    for token in 0..<buffers { try driver.queue.add(writable: driver.parts(0, 4, 4), token: token) }
    driver.frontend.kick.ring()
    return driver
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func oneStepServesAllThatIsThereWithinItsTime(layout: VirtioFeatures) throws {
    let device = SlowDevice()
    let driver = try Self.driver(device, layout, buffers: 40, .jumping(by: 0))
    _ = try driver.frontend.backend.step(milliseconds: 0)
    #expect(try driver.queue.used().map(\.token) == Array(0..<40))
    // The last one found the ring empty, and the driver's next buffer is kicked for.
    #expect(device.calls == 41)
    #expect(try !driver.frontend.backend.step(milliseconds: 0))
  }

  /// The front-end and the other queues wait no longer, however much a driver adds.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aStepEndsWhenItsTimeIsOver(layout: VirtioFeatures) throws {
    let device = SlowDevice()
    let quarter = VhostUserBackend<SlowDevice>.busyNanoseconds / 4
    let driver = try Self.driver(device, layout, buffers: 40, .jumping(by: quarter))
    _ = try driver.frontend.backend.step(milliseconds: 0)
    // One at the step's beginning, and one for each look at the clock that is not a whole period later: three.
    #expect(device.calls == 4)
    try driver.frontend.connection.send(FrontendMessage.getFeatures.encoded())
    _ = try driver.frontend.backend.step(milliseconds: 0)
    #expect(try driver.frontend.connection.receive() != nil)
    #expect(device.calls == 8)
    try driver.frontend.settle()
    #expect(try driver.queue.used().count == 40)
  }

  /// What a driver did wrong stops its queue alone, and is told once.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aFailureAmidTheWorkIsTold(layout: VirtioFeatures) throws {
    let device = SlowDevice()
    let driver = try Self.driver(device, layout, buffers: 3, .jumping(by: 0))
    // Shorter than what the device writes.
    try driver.queue.add(writable: driver.parts(0, 2, 2), token: 3)
    _ = try driver.frontend.backend.step(milliseconds: 0)
    #expect(try driver.queue.used().count == 3 && device.calls == 4)
    let failures = driver.frontend.backend.takeFailures()
    #expect(failures.map(\.index) == [0])
    #expect("\(failures[0].failure)".contains("2 of 2 bytes left to write; 4 are needed"))
    #expect(try !driver.frontend.backend.step(milliseconds: 0) && device.calls == 4)
  }
}

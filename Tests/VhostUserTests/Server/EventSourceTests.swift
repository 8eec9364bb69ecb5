import Glibc
import RingKit
import Testing
import VhostUser

/// A device that is woken by descriptors of its own.
@Suite struct EventSourceTests {
  /// Brings each byte that is written to a pipe to the guest, in a buffer of its own.
  private final class PipeDevice: VhostUserDevice {
    let deviceFeatures: VirtioFeatures = []
    let queueCount = 1
    let configuration: [UInt8] = []
    let timer: EventTimer
    let input: Int32
    let output: Int32
    private(set) var handled: [EventSource] = []
    private(set) var ticks: UInt64 = 0

    init() throws {
      var ends: (Int32, Int32) = (-1, -1)
      let made = unsafe withUnsafeMutablePointer(to: &ends) {
        unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe pipe($0) }
      }
      try #require(made == 0)
      (input, output) = ends
      #expect(fcntl(input, F_SETFL, O_NONBLOCK) == 0)
      timer = try EventTimer()
    }

    deinit {
      close(input)
      close(output)
    }

    var sources: [EventSource] { [EventSource(input, serving: 0), timer.source()] }
    func handle(_ source: EventSource) {
      handled.append(source)
      ticks += timer.take()
    }
    func configure(_ features: VirtioFeatures) {}
    func reset() {}

    private var pending: [UInt8] = []

    func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
      while true {
        if pending.isEmpty {
          var bytes = [UInt8](repeating: 0, count: 16)
          let count = unsafe Glibc.read(input, &bytes, bytes.count)
          guard count > 0 else { return .idle }
          pending = Array(bytes.prefix(count))
        }
        let progress = try queue.serve(atMost: pending.count) { buffer throws(VringFailure) in
          try buffer.write(pending.removeFirst())
        }
        if case .empty = progress { return .empty }
      }
    }

    func send(_ bytes: [UInt8]) { #expect(unsafe Glibc.write(output, bytes, bytes.count) == bytes.count) }
  }

  private static func cpuNanoseconds() -> UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aByteReachesTheGuestsBuffer(layout: VirtioFeatures) throws {
    let device = try PipeDevice()
    let driver = try BodyDriver(device, features: layout)
    for token in 0..<2 { try driver.queue.add(writable: driver.parts(16 * token, 4, 4), token: UInt64(token)) }
    try driver.settle()
    #expect(try driver.queue.used().isEmpty)
    device.send([7])
    // No kick: the descriptor wakes it.
    try driver.frontend.settle()
    let used = try driver.queue.used()
    #expect(used.map(\.token) == [0] && used.map(\.writtenByteCount) == [1] && driver.bytes(0..<1) == [7])
    // More than there are buffers: they wait for the driver's next ones.
    device.send([8, 9, 10])
    try driver.frontend.settle()
    #expect(try driver.queue.used().count == 1)
    for token in 2..<4 { try driver.queue.add(writable: driver.parts(16 * token, 4, 4), token: UInt64(token)) }
    try driver.settle()
    #expect(try driver.queue.used().count == 2)
    #expect(driver.bytes(16..<17) + driver.bytes(32..<33) + driver.bytes(48..<49) == [8, 9, 10])
  }

  @Test func anIdleDeviceUsesNoCPU() throws {
    let device = try PipeDevice()
    let driver = try BodyDriver(device, features: .version1)
    try driver.queue.add(writable: driver.parts(0, 4, 4), token: 0)
    try driver.settle()
    func rest(seconds: UInt64) throws -> (steps: Int, cpu: UInt64) {
      var steps = 0
      let before = Self.cpuNanoseconds()
      let clock = ContinuousClock()
      let end = clock.now + .seconds(seconds)
      while clock.now < end {
        _ = try driver.frontend.backend.step(milliseconds: 500)
        steps += 1
      }
      return (steps, Self.cpuNanoseconds() - before)
    }
    let idle = try rest(seconds: 2)
    #expect(idle.steps <= 5 && idle.cpu < 20_000_000, "\(idle.steps) steps, \(idle.cpu) ns of CPU in two seconds")
    device.send([5])
    #expect(try driver.frontend.backend.step(milliseconds: 5000))
    try driver.frontend.settle()
    #expect(try driver.queue.used().count == 1 && driver.bytes(0..<1) == [5])
    // Bytes for which there is no buffer do not keep it busy, nor do they while the queue is disabled.
    device.send([6])
    try driver.frontend.settle()
    #expect(try rest(seconds: 1).steps <= 3)
    try driver.frontend.tell(.setVringEnable(VringState(index: 0, value: 0)))
    try driver.queue.add(writable: driver.parts(16, 4, 4), token: 1)
    driver.frontend.kick.ring()
    #expect(try rest(seconds: 1).steps <= 3)
    #expect(try driver.queue.used().isEmpty)
    try driver.frontend.tell(.setVringEnable(VringState(index: 0, value: 1)))
    try driver.settle()
    #expect(try driver.queue.used().count == 1 && driver.bytes(16..<17) == [6])
  }

  @Test func aTimerWakesTheDevice() throws {
    let device = try PipeDevice()
    let driver = try BodyDriver(device, features: .version1)
    device.timer.set(after: 1_000_000, every: 1_000_000)
    while device.ticks < 3 { _ = try driver.frontend.backend.step(milliseconds: 5000) }
    #expect(device.handled.allSatisfy { $0 == device.timer.source() })
    device.timer.set(after: 0)
    _ = device.timer.take()
    let count = device.handled.count
    _ = try driver.frontend.backend.step(milliseconds: 20)
    #expect(device.handled.count == count)
  }
}

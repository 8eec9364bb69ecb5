import CPeer
import RingIOMMU
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("A device in a process of its own, behind the MMU")
struct DeviceProcessTests {
  private static let count = 8

  private struct Guest {
    let rig: Rig
    let window: MMUWindow
    let driver: DriverEnd

    init(_ layout: RingLayout) throws {
      // For its memory and its view of the ring; its own ends are not used.
      rig = try Rig(layout, size: count, payloadByteCount: 65_536)
      window = try MMUWindow(memory: rig.memory, byteCount: 1 << 22)
      let mapper = MMUMapper(window: window, counter: CountedWork())
      switch layout {
      case .split:
        let ring = try SplitRing(in: rig.ring.buffer, size: count)
        driver = DriverBox(try SplitDriverQueue(rig.configuration, ring: ring, mapper: mapper))
      case .packed:
        let ring = try PackedRing(in: rig.ring.buffer, size: count)
        driver = DriverBox(try PackedDriverQueue(rig.configuration, ring: ring, mapper: mapper))
      }
    }

    /// Buffers that the C peer will know by their numbers, each on a page of its own.
    func offer() throws {
      for number in 0..<UInt64(count) {
        let offset = Int(number) * 4096
        rig.fill(offset, 24, number)
        #expect(try driver.add(rig.segment(at: offset, 24), .deviceReadable, token: number) == .added)
      }
      driver.publish()
    }

    /// The C device, whose memory is the window and nothing else, in a process of its own.
    func fork(stop: StopFlag) throws -> ChildProcess {
      let areas = try rig.areas
      var run = unsafe cpeer_run(
        descriptors: areas[0].host.pointer, driver_area: areas[1].host.pointer, device_area: areas[2].host.pointer,
        size: UInt32(count), features: 0, window_address: 0,
        window: window.hostBase.pointer.assumingMemoryBound(to: UInt8.self), window_bytes: UInt64(window.byteCount),
        buffers: UInt64(count), batch: 1, reverse: 0, sleep_fd: -1, ring_fd: -1, stop: stop.word)
      let pid = unsafe cpeer_fork_device(&run, rig.layout == .packed ? 1 : 0)
      try #require(pid > 0, "no process could be forked (errno \(-pid))")
      let process = ChildProcess(watching: pid)
      window.watch(process)
      return process
    }

    /// What comes back until the queue reports an error, which it must.
    func drain() throws -> (tokens: [UInt64], error: QueueError) {
      var tokens: [UInt64] = []
      while true {
        while let done = try driver.nextUsed() { tokens.append(done.token) }
        do throws(QueueError) { try driver.poll() } catch {
          // What it had done before it ended counts.
          while let done = try driver.nextUsed() { tokens.append(done.token) }
          return (tokens, error)
        }
        cpeer_yield()
      }
    }
  }

  @Test("what is mapped is served, and its end is told as what it was", arguments: RingLayout.allCases)
  func serves(layout: RingLayout) throws {
    let guest = try Guest(layout)
    try guest.offer()
    let process = try guest.fork(stop: StopFlag())
    let (tokens, error) = try guest.drain()
    #expect(error == .mapping(.deviceEnded(.exited(code: 0))))
    #expect(tokens == (0..<UInt64(Self.count)).map { $0 })
    #expect(process.wait() == .exited(code: 0), "the kernel tells once, and it is remembered")
  }

  @Test(
    "an address outside what is mapped ends the device's process, not the driver's, and the queue reports it",
    arguments: RingLayout.allCases)
  func intrudes(layout: RingLayout) throws {
    let guest = try Guest(layout)
    try guest.offer()
    // Into the window, where nothing is: the C device has only the hardware to stop it.
    let wrong = 5
    Scribbler(try guest.rig.areas[0]).store(0x1_0000, at: 16 * wrong)
    _ = try guest.fork(stop: StopFlag())
    let (tokens, error) = try guest.drain()
    #expect(error == .mapping(.deviceEnded(.killed(signal: 11))))
    #expect("\(error)" == "mapping failed: the device's process was killed by signal 11")
    #expect(tokens == (0..<UInt64(wrong)).map { $0 })
    #expect(try guest.driver.reset() == (UInt64(wrong)..<UInt64(Self.count)).map { $0 })
    let counts = guest.driver.counts
    #expect(counts[.maps] == counts[.unmaps])
  }

  @Test("a device that would write what it may only read dies of it as well", arguments: RingLayout.allCases)
  func writes(layout: RingLayout) throws {
    let guest = try Guest(layout)
    try guest.offer()
    let word: UInt64 = 24 | 2 << (layout == .split ? 32 : 48)
    // A packed descriptor is available when its AVAIL flag is that of the lap; its id is the slot's.
    let rest: UInt64 = layout == .split ? 0 : 0x80 << 48 | 3 << 32
    Scribbler(try guest.rig.areas[0]).store(word | rest, at: 16 * 3 + 8)
    _ = try guest.fork(stop: StopFlag())
    let (tokens, error) = try guest.drain()
    #expect(error == .mapping(.deviceEnded(.killed(signal: 11))) && tokens == [0, 1, 2])
    #expect(guest.rig.holds(3 * 4096, 24, 3), "nothing was written")
  }
}

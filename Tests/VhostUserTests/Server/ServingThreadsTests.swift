import Glibc
import RingKit
import RingKitTesting
import Synchronization
import Testing

@testable import VhostUser

/// Queues that several threads serve, beside the one that hears the front-end.
@Suite(.timeLimit(.minutes(20))) struct ServingThreadsTests {
  /// Queues of a device, a buffer and a kick for each; the test's thread runs the back-end.
  private struct Queues<Device: VhostUserDevice & Sendable> {
    let frontend: ScriptedFrontend<Device>
    let queues: [ScriptedQueue]
    let kicks: [EventDoorbell]
    let buffers: [GuestBuffer]
    let size = 16

    init(_ device: Device, features: VirtioFeatures = [], threads: Int) throws {
      let features = features.union(.version1)
      let frontend = try ScriptedFrontend(device, features: features)
      try frontend.backend.serve(onThreads: threads)
      try frontend.negotiate(protocolFeatures: VhostUserOptions.allProtocolFeatures.subtracting(.config))
      let size = size
      queues = try (0..<device.queueCount).map { _ in try ScriptedQueue(frontend, features: features, size: size) }
      kicks = try queues.map { _ in try EventDoorbell() }
      buffers = try queues.map { _ in try frontend.allocator.allocate(4096, alignment: 4096) }
      self.frontend = frontend
      for index in queues.indices { try start(index, base: frontend.firstBase) }
    }

    func start(_ index: Int, base: UInt32) throws {
      try frontend.start(UInt32(index), size: size, base: base, parts: queues[index].parts, kick: kicks[index])
    }

    /// Gives a queue its buffer, to be written.
    func add(to index: Int, _ segments: [MemorySegment]? = nil) throws {
      let all = [buffers[index].segment(at: 0, length: 4096)]
      try queues[index].add(writable: segments ?? all, token: UInt64(index))
      kicks[index].ring()
    }

    /// Lets the back-end work until a queue gave a buffer back; `nil` when it does not in a minute.
    ///
    /// Without steps the threads alone work: what the back-end's own does it does between their turns.
    func used(_ index: Int, steps: Bool = true) throws -> Completion? {
      let clock = ContinuousClock()
      let end = clock.now + .seconds(60)
      while clock.now < end {
        if let completion = try queues[index].nextUsed() { return completion }
        if steps { try frontend.settle() }
        sched_yield()
      }
      return nil
    }

    func end() { frontend.backend.end() }
  }

  /// Fills each buffer with what it is told to, and notes which thread served which queue.
  private final class FillingDevice: VhostUserDevice, Sendable {
    let queueCount: Int
    private let groups: [Int]
    private let seen: [Seen]
    private let byte: @Sendable (Int) -> UInt8

    init(groups: [Int], byte: @escaping @Sendable (Int) -> UInt8 = { UInt8($0) }) {
      queueCount = groups.count
      self.groups = groups
      self.byte = byte
      seen = groups.map { _ in Seen() }
    }

    /// The thread that served a queue; `nil` when there were several, or none.
    func thread(of index: Int) -> pthread_t? {
      seen[index].isMixed.load(ordering: .acquiring) ? nil : pthread_t(seen[index].thread.load(ordering: .acquiring))
    }
    func group(of index: Int) -> Int { groups[index] }
    func reset() {}

    func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
      try queue.serve(atMost: limit) { buffer throws(VringFailure) in
        seen[index].note(UInt(pthread_self()))
        try buffer.write(UInt64(byte(index)))
      }
    }
  }

  /// Which thread came, and whether another one did; in atomics, because the thread sanitizer does not see a `Mutex`.
  private final class Seen: Sendable {
    let thread = Atomic<UInt>(0)
    let isMixed = Atomic(false)

    func note(_ number: UInt) {
      let before = thread.exchange(number, ordering: .acquiringAndReleasing)
      if before != 0 && before != number { isMixed.store(true, ordering: .releasing) }
    }
  }

  @Test func theQueuesOfAGroupShareAThread() throws {
    let device = FillingDevice(groups: [7, 7, 3, 3])
    // No more threads than groups.
    let queues = try Queues(device, threads: 8)
    defer { queues.end() }
    for _ in 0..<20 {
      for index in 0..<4 { try queues.add(to: index) }
      for index in 0..<4 { #expect(try queues.used(index)?.writtenByteCount == 8) }
    }
    let threads = (0..<4).map { device.thread(of: $0) }
    #expect(!threads.contains(nil) && !threads.contains(0))
    #expect(threads[0] == threads[1] && threads[2] == threads[3] && threads[0] != threads[2])
    #expect(!threads.contains(pthread_self()))
  }

  /// Each waits until the other is served as well.
  @Test func queuesOfTwoGroupsAreServedAtTheSameTime() throws {
    let meeting = Meeting()
    let queues = try Queues(FillingDevice(groups: [0, 1]) { _ in meeting.wait() ? 1 : 0 }, threads: 2)
    defer { queues.end() }
    // The first kick of each is handled by the back-end's thread.
    for index in 0..<2 {
      try queues.add(to: index)
      #expect(try queues.used(index) != nil)
    }
    meeting.begin()
    for index in 0..<2 { try queues.add(to: index) }
    for index in 0..<2 {
      #expect(try queues.used(index, steps: false) != nil)
      #expect(unsafe queues.buffers[index].bytes[0] == 1)
    }
  }

  private final class Meeting: Sendable {
    private let hasBegun = Atomic(false)
    private let count = Atomic(0)

    func begin() { hasBegun.store(true, ordering: .releasing) }

    /// Whether two were there at once, within a minute of the beginning.
    func wait() -> Bool {
      guard hasBegun.load(ordering: .acquiring) else { return false }
      count.wrappingAdd(1, ordering: .relaxed)
      let clock = ContinuousClock()
      let end = clock.now + .seconds(60)
      while count.load(ordering: .relaxed) < 2 {
        guard clock.now < end else { return false }
        sched_yield()
      }
      return true
    }
  }

  /// Each has translations of its own, and asks for them through the one channel.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func eachQueueGetsItsTranslations(layout: VirtioFeatures) throws {
    let device = FillingDevice(groups: [0, 1, 2, 3])
    let queues = try Queues(device, features: layout.union(.accessPlatform), threads: 4)
    defer { queues.end() }
    for round in 0..<10 {
      for index in 0..<4 { try queues.add(to: index) }
      for index in 0..<4 {
        #expect(try queues.used(index)?.writtenByteCount == 8)
        #expect(unsafe queues.buffers[index].bytes[0] == UInt8(index))
      }
      // All of them are taken back between two rounds; the rings' too.
      let address = IOVA(queues.frontend.region.guestBase.rawValue)
      let message = IOTLBMessage(
        .invalidate, address: address, byteCount: UInt64(queues.frontend.region.byteCount))
      #expect(try queues.frontend.ask(.iotlb(message), needsReply: true).number() == 0, "round \(round)")
    }
    #expect(queues.frontend.backend.counts.misses >= 40)
  }

  /// Each message has the threads look anew at what they wait for; a kick is seen all the same.
  @Test func aStreamOfTranslationsKeepsNoQueueWaiting() throws {
    let queues = try Queues(FillingDevice(groups: [0, 1]), features: .accessPlatform, threads: 2)
    defer { queues.end() }
    let (frontend, clock) = (queues.frontend, ContinuousClock())
    let address = IOVA(1 << 40)
    for round in 0..<20 {
      try queues.add(to: 1)
      let end = clock.now + .seconds(60)
      var completion: Completion?
      while completion == nil, clock.now < end {
        try frontend.tell(.iotlb(IOTLBMessage(.invalidate, address: address, byteCount: 4096)))
        completion = try queues.queues[1].nextUsed()
      }
      #expect(completion?.writtenByteCount == 8, "round \(round)")
    }
  }

  @Test func aMistakeStopsItsQueueAloneAndIsTold() throws {
    let queues = try Queues(FillingDevice(groups: [0, 1]), threads: 2)
    defer { queues.end() }
    let nowhere = GuestPhysicalAddress(0xdead_0000)
    try queues.add(to: 0, [MemorySegment(nowhere, length: 64)])
    var failures: [(index: Int, failure: VringFailure)] = []
    while failures.isEmpty {
      try queues.frontend.settle()
      failures = queues.frontend.backend.takeFailures()
    }
    #expect(failures.count == 1 && failures[0].index == 0)
    try queues.add(to: 1)
    #expect(try queues.used(1)?.writtenByteCount == 8)
    // Stopped and started anew behind what was wrong it goes on.
    let base = try queues.frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    #expect(base == 0)
  }

  /// New memory, disabled, stopped and started: whatever comes while they are served, each buffer comes back once.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func messagesComeBetweenTurns(layout: VirtioFeatures) throws {
    let queues = try Queues(FillingDevice(groups: [0, 1, 2]), features: layout, threads: 3)
    defer { queues.end() }
    for round in 0..<60 {
      let index = round % 3
      for index in 0..<3 { try queues.add(to: index) }
      switch round % 4 {
      case 0: try queues.frontend.share()
      case 1:
        let state = try queues.frontend.ask(.getVringBase(VringState(index: UInt32(index), value: 0))).vringState()
        try queues.start(index, base: state.value)
      case 2:
        for value: UInt32 in [0, 1] {
          try queues.frontend.tell(.setVringEnable(VringState(index: UInt32(index), value: value)))
        }
      default: break
      }
      for index in 0..<3 {
        #expect(try queues.used(index)?.token == UInt64(index), "round \(round), queue \(index)")
        #expect(try queues.queues[index].nextUsed() == nil)
      }
    }
    #expect(queues.frontend.backend.takeFailures().isEmpty)
  }

  /// The threads of one connection end with it.
  @Test func aServerStartsThreadsForEachFrontEnd() throws {
    let path = "/tmp/ringkit-\(UInt32.random(in: 0 ... .max)).socket"
    let server = try VhostUserServer(at: path)
    let ends = Ends()
    let thread = TestThread {
      try? server.run(
        FillingDevice(groups: [0, 1]), threads: 2,
        telling: { event in if case .ended(_, let failure) = event { ends.add(failure) } })
    }
    for _ in 0..<3 {
      let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 1 << 20)
      let frontend = VhostUserFrontend(try VhostUserConnection(connectingTo: path))
      try frontend.negotiate([], required: [], queues: 2)
      try frontend.share(GuestMemory([region]))
      var allocator = RegionAllocator(region)
      for index in 0..<2 {
        let ring = try SplitRing(in: allocator.allocate(SplitRing.byteCount(size: 16), alignment: 4096), size: 16)
        ring.clear()
        try frontend.start(index, VringSetup(ring, kick: EventDoorbell(), call: EventDoorbell()))
      }
    }
    server.stop()
    thread.join()
    // The third may not have been accepted when it ended.
    #expect(ends.all.count >= 2 && ends.all.allSatisfy { $0 == nil })
  }

  private final class Ends: Sendable {
    private let failures = Mutex<[VhostUserError?]>([])
    func add(_ failure: VhostUserError?) { failures.withLock { $0.append(failure) } }
    var all: [VhostUserError?] { failures.withLock { $0 } }
  }

  /// The disk's queues share an image and nothing else.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func theQueuesOfADiskAreServedAtOnce(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 64)
    var options = BlockOptions()
    options.queueCount = 4
    let device = try BlockDevice(path: file.path, options: options)
    let queues = try Queues(device, features: layout, threads: 4)
    defer { queues.end() }
    func request(_ index: Int, type: UInt32, sector: UInt64, byte: UInt8) throws {
      let bytes = unsafe queues.buffers[index].bytes
      unsafe bytes.storeBytes(of: type, toByteOffset: 0, as: UInt32.self)
      unsafe bytes.storeBytes(of: sector, toByteOffset: 8, as: UInt64.self)
      for i in 512..<1024 { unsafe bytes[i] = byte }
      unsafe bytes[1024] = 0xee
      let buffer = queues.buffers[index]
      let (header, data) = (buffer.segment(at: 0, length: 16), buffer.segment(at: 512, length: 512))
      let status = buffer.segment(at: 1024, length: 1)
      try queues.queues[index].add(
        readable: type == 1 ? [header, data] : [header], writable: type == 1 ? [status] : [data, status], token: 0)
      queues.kicks[index].ring()
    }
    for round in 0..<16 {
      for index in 0..<4 {
        let sector = 16 * index + round
        try request(index, type: 1, sector: UInt64(sector), byte: UInt8(sector))
      }
      for index in 0..<4 {
        #expect(try queues.used(index)?.writtenByteCount == 1)
        #expect(unsafe queues.buffers[index].bytes[1024] == 0)
      }
      // Each reads what another one wrote.
      let other = { (index: Int) in 16 * ((index + 1) % 4) + round }
      for index in 0..<4 { try request(index, type: 0, sector: UInt64(other(index)), byte: 0) }
      for index in 0..<4 {
        #expect(try queues.used(index)?.writtenByteCount == 513)
        #expect(unsafe queues.buffers[index].bytes[512] == UInt8(other(index)))
      }
    }
    #expect(device.done == 128 && device.failed == 0)
  }
}

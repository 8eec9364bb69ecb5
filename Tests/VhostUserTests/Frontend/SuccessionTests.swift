import RingKit
import RingKitTesting
import Testing

@testable import VhostUser

/// Our driver over one back-end after the other, each of which dies with requests in flight.
@Suite(.timeLimit(.minutes(20))) struct SuccessionTests {
  /// A back-end on a thread of its own that goes without a word once its device is dead.
  private final class Host {
    private var thread: TestThread?
    /// Raised when the device dies, and at the end.
    ///
    /// The thread holds it instead of this object, whose `deinit` waits for it.
    private var isOver = StopFlag()

    /// Begins to serve; the other end of its connection.
    func serve(path: String, lives: Int, notes: Bool) throws -> VhostUserConnection {
      thread?.join()
      thread = nil
      let (near, far) = try VhostUserConnection.channel()
      // The thread's alone, so that it is closed when the thread is done.
      let socket = try far.duplicate()
      let isOver = StopFlag()
      self.isOver = isOver
      thread = TestThread {
        guard let connection = try? VhostUserConnection(attaching: socket) else { return }
        var options = VhostUserOptions()
        if !notes { options.protocolFeatures.remove(.inflight) }
        guard let disk = try? BlockDevice(path: path) else { return }
        let device = MortalDisk(disk, lives: lives, fetching: 2) { isOver.raise() }
        let backend = VhostUserBackend(connection, device: device, options: options)
        while !isOver.isRaised, (try? backend.step(milliseconds: 5)) != nil {}
      }
      return near
    }

    deinit {
      isOver.raise()
      thread?.join()
    }
  }

  /// The guest's memory, and what of it the ring takes.
  private struct Guest {
    let region: MemoryRegion
    var allocator: RegionAllocator
    let configuration: QueueConfiguration
    let ring: GuestBuffer
    let tables: GuestBuffer?

    init(_ features: VirtioFeatures) throws {
      region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 1 << 20)
      allocator = RegionAllocator(region)
      configuration = QueueConfiguration(size: 64, features: features)
      ring = try allocator.allocate(8192, alignment: 4096)
      tables =
        features.contains(.indirectDescriptors)
        ? try allocator.allocate(configuration.indirectByteCount, alignment: 16) : nil
    }
  }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder, .indirectDescriptors], [true, false])
  func eachRequestComesBackOnce(layout: VirtioFeatures, notes: Bool) throws {
    let features = layout.union(.version1)
    let guest = try Guest(features)
    let (kick, call) = (try EventDoorbell(), try EventDoorbell())
    if features.contains(.packedRing) {
      let ring = try PackedRing(in: guest.ring, size: 64)
      let queue = try PackedDriverQueue(
        guest.configuration, ring: ring, indirectTables: guest.tables,
        mapper: DirectMapper(memory: GuestMemory([guest.region]), counter: UncountedWork()))
      try run(guest, queue, VringSetup(ring, kick: kick, call: call), notes: notes)
    } else {
      let ring = try SplitRing(in: guest.ring, size: 64)
      let queue = try SplitDriverQueue(
        guest.configuration, ring: ring, indirectTables: guest.tables,
        mapper: DirectMapper(memory: GuestMemory([guest.region]), counter: UncountedWork()))
      try run(guest, queue, VringSetup(ring, kick: kick, call: call), notes: notes)
    }
  }

  private func run<Queue: DriverQueue & ~Copyable>(
    _ guest: Guest, _ queue: consuming Queue, _ setup: VringSetup, notes: Bool
  ) throws {
    let (count, file, host, kick) = (100, ScratchFile(sectors: 100), Host(), setup.kick)
    var allocator = guest.allocator
    let slots = try allocator.allocate(16 * BlockDriver<Queue>.slotByteCount, alignment: 8)
    let payload = try allocator.allocate(16 * 512, alignment: 512)
    var driver = BlockDriver(queue, slots: slots)

    let frontend = VhostUserFrontend(try host.serve(path: file.path, lives: 17, notes: notes), timeout: 60_000)
    frontend.awaitsSuccessor = true
    try frontend.negotiate([], required: guest.configuration.features, optional: .inflight, queues: 1)
    try frontend.share(try GuestMemory([guest.region]))
    #expect(try frontend.trackInflight(queues: 1, size: 64) == notes)
    try frontend.start(0, setup)

    var (sent, returned, successors) = (0, [Int](repeating: 0, count: count), 0)
    while returned.contains(0) {
      while sent < count, let slot = driver.nextSlot {
        unsafe payload.bytes.storeBytes(of: UInt64(1000 + sent), toByteOffset: slot * 512, as: UInt64.self)
        let data = payload.segment(at: slot * 512, length: 512)
        let result = try driver.submit(.write, sector: UInt64(sent), data: data, token: UInt64(sent))
        guard result == .added else { break }
        sent += 1
      }
      driver.queue.publish()
      if driver.queue.isNotificationDue() { kick.ring() }
      while let completion = try driver.next() {
        #expect(completion.status == .done)
        returned[Int(completion.token)] += 1
      }
      try? frontend.service()
      guard frontend.hasLostBackend, let position = driver.queue.devicePosition else { continue }
      #expect(driver.queue.inFlightCount > 0)
      successors += 1
      if !notes {
        let outstanding = driver.queue.inFlightCount
        let added = try driver.resubmit()
        #expect(added == outstanding)
        driver.queue.publish()
      }
      try frontend.reconnect(try host.serve(path: file.path, lives: 17, notes: notes))
      try frontend.resume(0, at: notes ? position : nil)
      kick.ring()
    }
    #expect(returned.allSatisfy { $0 == 1 } && successors == 5)
    for sector in 0..<count {
      let bytes = file.read(sector: sector, count: 512)
      #expect(unsafe bytes.withUnsafeBytes { unsafe $0.load(as: UInt64.self) } == UInt64(1000 + sector))
    }
  }
}

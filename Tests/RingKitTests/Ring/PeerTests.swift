import RingTestSupport
import Testing

extension TwoThreads {
  @Suite("Against C peers written on linux/virtio_ring.h alone")
  struct PeerTests {
    private static let total = Environment.buffers(standard: 1_700_000)

    @Test("our driver, their device", arguments: PeerCase.polling)
    func driver(_ what: PeerCase) throws {
      try PeerRun(what, buffers: Self.total / (2 * PeerCase.polling.count)).driveDevice()
    }

    @Test("our device, their driver", arguments: PeerCase.polling)
    func device(_ what: PeerCase) throws {
      try PeerRun(what, buffers: Self.total / (2 * PeerCase.polling.count)).serveDriver()
    }

    @Test("our driver, their device, asleep when idle: no wakeup is lost", arguments: PeerCase.sleeping)
    func sleepingDriver(_ what: PeerCase) throws {
      try PeerRun(what, buffers: Self.total / (20 * PeerCase.sleeping.count)).driveDevice()
    }

    @Test("our device, their driver, asleep when idle: no wakeup is lost", arguments: PeerCase.sleeping)
    func sleepingDevice(_ what: PeerCase) throws {
      try PeerRun(what, buffers: Self.total / (20 * PeerCase.sleeping.count)).serveDriver()
    }
  }
}

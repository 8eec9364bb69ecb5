import Glibc
import RingKit
import Testing

@Suite("Doorbells")
struct EventDoorbellTests {
  @Test("one that another process made cannot put us to sleep, though it was made to block")
  func attachedDoesNotBlock() throws {
    // Any descriptor that blocks will do: Swift does not see eventfd().
    var ends: [Int32] = [-1, -1]
    #expect(unsafe pipe(&ends) == 0)
    #expect(fcntl(ends[0], F_GETFL) & O_NONBLOCK == 0)
    let doorbell = EventDoorbell(attaching: ends[0])
    #expect(fcntl(ends[0], F_GETFL) & O_NONBLOCK != 0)
    #expect(!doorbell.take())
    #expect(!doorbell.wait(milliseconds: 0))
    close(ends[1])
  }

  @Test func ringingTwiceWakesOnce() throws {
    let doorbell = try EventDoorbell()
    #expect(!doorbell.take())
    doorbell.ring()
    doorbell.ring()
    #expect(doorbell.wait(milliseconds: 0))
    #expect(!doorbell.wait(milliseconds: 0))
  }
}

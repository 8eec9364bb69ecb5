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

  /// The flag belongs to both processes, and so does the counter.
  @Test func aFullOneThatWasMadeBlockingAgainIsPassedOver() throws {
    let theirs = try EventDoorbell()
    let doorbell = EventDoorbell(attaching: dup(theirs.fileDescriptor))
    var most = UInt64.max - 1
    #expect(unsafe write(theirs.fileDescriptor, &most, 8) == 8)
    #expect(fcntl(theirs.fileDescriptor, F_SETFL, 0) == 0)
    doorbell.ring()
    #expect(theirs.take())
    doorbell.ring()
    #expect(theirs.take())
  }

  @Test func anEmptyOneThatWasMadeBlockingAgainIsNotWaitedFor() throws {
    let theirs = try EventDoorbell()
    let doorbell = EventDoorbell(attaching: dup(theirs.fileDescriptor))
    #expect(fcntl(theirs.fileDescriptor, F_SETFL, 0) == 0)
    #expect(!doorbell.take())
    theirs.ring()
    #expect(doorbell.take())
    #expect(!doorbell.take())
  }

  @Test func oneMadeForAPeerThatFilledItIsPassedOver() throws {
    let doorbell = try EventDoorbell.forPeer()
    let theirs = EventDoorbell(attaching: dup(doorbell.fileDescriptor))
    var most = UInt64.max - 1
    #expect(unsafe write(theirs.fileDescriptor, &most, 8) == 8)
    #expect(fcntl(theirs.fileDescriptor, F_SETFL, 0) == 0)
    doorbell.ring()
    #expect(theirs.take())
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

import CPeer
import CRing
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

  /// As an interrupt of a device's would be: whether there is room is not asked, so there is no moment to fill it in.
  @Test func oneOfAPeerIsRungAlsoWhereAWriteWouldWait() throws {
    let doorbell = try EventDoorbell.forPeer()
    var count = UInt64.max - 1
    #expect(unsafe write(doorbell.fileDescriptor, &count, 8) == 8)
    #expect(fcntl(doorbell.fileDescriptor, F_SETFL, 0) == 0)
    doorbell.ring()
    #expect(unsafe read(doorbell.fileDescriptor, &count, 8) == 8)
    #expect(count == UInt64.max, "this kernel has no asynchronous requests: the doorbell was passed over")
    // More often than requests that are done are kept.
    for _ in 0..<10_000 { doorbell.ring() }
    #expect(unsafe read(doorbell.fileDescriptor, &count, 8) == 8 && count == 10_000)
  }

  /// In a child the parent's way of ringing is not there: it makes its own.
  @Test func oneOfAPeerIsRungFromAProcessThatWasForked() throws {
    let doorbell = try EventDoorbell.forPeer()
    doorbell.ring()
    var descriptor = doorbell.fileDescriptor
    let child = unsafe cpeer_fork_call(
      { descriptor in
        if let descriptor = unsafe descriptor { unsafe cring_doorbell_ring_shared(descriptor.load(as: Int32.self)) }
      }, &descriptor)
    try #require(child > 0)
    var status: Int32 = -1
    #expect(unsafe waitpid(child, &status, 0) == child && status == 0)
    var count: UInt64 = 0
    #expect(unsafe read(doorbell.fileDescriptor, &count, 8) == 8 && count == 2)
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

import CRing
import CVhostUAPI
import Glibc
import RingKit
import Testing

@testable import VhostUser

/// Messages and descriptors over a real socket.
@Suite struct ConnectionTests {
  /// A raw end, to send what no connection would.
  private func rawPair() throws -> (raw: Int32, connection: VhostUserConnection) {
    var ends: (Int32, Int32) = (-1, -1)
    let error = unsafe withUnsafeMutablePointer(to: &ends) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe cring_stream_pair($0) }
    }
    #expect(error == 0)
    return (ends.0, try VhostUserConnection(attaching: ends.1))
  }

  private func send(_ raw: Int32, _ bytes: [UInt8], descriptors: [Int32] = []) {
    var sent = 0
    let error = unsafe cring_stream_send(raw, bytes, bytes.count, descriptors, descriptors.count, &sent)
    #expect(error == 0 && sent == bytes.count)
  }

  private func failure(_ connection: VhostUserConnection) -> VhostUserError? {
    do throws(VhostUserError) { _ = try connection.receive() } catch { return error }
    return nil
  }

  /// A device of 256 queues has more of them than a process may have descriptors, and few are open.
  @Test func moreQueuesThanDescriptorsCanBeWaitedFor() throws {
    let limit = sysconf(Int32(_SC_OPEN_MAX))
    guard limit > 0, limit <= 1 << 21 else {
      print("skipped: a process may have \(limit) descriptors")
      return
    }
    let (near, connection) = try VhostUserConnection.pair()
    try near.send(BackendMessage.configChange.encoded())
    var set = PollSet()
    for _ in 0..<limit { set.add(-1) }
    let index = set.add(connection.fileDescriptor)
    #expect(try set.wait(milliseconds: 0))
    #expect(set.isReady(index) && !set.isReady(0) && !set.isReady(index - 1))
  }

  @Test func whatIsNoEventfdIsToldApart() throws {
    let bell = try EventDoorbell()
    var ends: [Int32] = [-1, -1]
    try #require(unsafe pipe(&ends) == 0)
    #expect(cring_is_eventfd(bell.fileDescriptor) && !cring_is_eventfd(ends[1]) && !cring_is_eventfd(-1))
    for end in ends { close(end) }
  }

  @Test func aMessageArrivesWithItsDescriptors() throws {
    let (a, b) = try VhostUserConnection.pair()
    #expect(try b.receive() == nil)
    let (near, far) = try VhostUserConnection.channel()
    try a.send(FrontendMessage.setBackendChannel(far).encoded())
    let message = try #require(try b.receive())
    guard case .setBackendChannel(let passed) = try FrontendMessage(message) else {
      Issue.record("another message")
      return
    }
    #expect(passed.fileDescriptor != far.fileDescriptor)
    let channel = try VhostUserConnection(attaching: try passed.duplicate())
    try channel.send(BackendMessage.configChange.encoded())
    #expect(try BackendMessage(#require(try near.receive())) == .configChange)
  }

  @Test func aPeerThatDoesNotReadEndsTheConnection() throws {
    let (a, b) = try VhostUserConnection.pair()
    var failure: VhostUserError?
    var sent = 0
    // What the socket holds itself differs from machine to machine.
    while failure == nil && sent < 1 << 20 {
      do throws(VhostUserError) { try a.send(FrontendMessage.getFeatures.encoded()) } catch { failure = error }
      sent += 1
    }
    #expect(failure == .notRead(messages: VhostUserConnection.mostWaiting + 1))
    #expect(try b.receive() != nil)
  }

  @Test func aMessageMayComeByteByByte() throws {
    let (raw, connection) = try rawPair()
    defer { cring_channel_close(raw) }
    let message = FrontendMessage.setVringSize(VringState(index: 1, value: 2)).encoded()
    let bytes: [UInt8] = [8, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0] + message.payload
    for byte in bytes.dropLast() {
      send(raw, [byte])
      #expect(try connection.receive() == nil)
    }
    send(raw, [bytes[bytes.count - 1]] + bytes)
    for _ in 0..<2 {
      let came = try #require(try connection.receive())
      #expect(came.request == 8 && came.payload == message.payload && came.flags == .version1)
    }
    #expect(try connection.receive() == nil)
  }

  @Test func manyMessagesWaitUntilTheSocketTakesThem() throws {
    let (a, b) = try VhostUserConnection.pair()
    let payload = [UInt8](repeating: 7, count: 264)
    let count = 1_000
    for i in 0..<count { try a.send(VhostUserMessage(request: UInt32(i), payload: payload)) }
    #expect(a.isSending)
    for i in 0..<count {
      try a.flush()
      let message = try #require(try b.receive())
      #expect(message.request == UInt32(i) && message.payload == payload)
    }
    #expect(!a.isSending)
  }

  @Test func aHeaderIsHeldAgainstWhatMessagesAre() throws {
    var (raw, connection) = try rawPair()
    send(raw, [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
    #expect(failure(connection) == .version(flags: 2))
    cring_channel_close(raw)
    (raw, connection) = try rawPair()
    send(raw, [1, 0, 0, 0, 1, 0, 0, 0, 17, 1, 0, 0])
    #expect(failure(connection) == .payloadTooLong(request: 1, byteCount: 273, limit: 272))
    cring_channel_close(raw)
    (raw, connection) = try rawPair()
    send(raw, [1, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255])
    #expect(failure(connection) == .payloadTooLong(request: 1, byteCount: .max, limit: 272))
    cring_channel_close(raw)
  }

  @Test func theEndIsTold() throws {
    var (raw, connection) = try rawPair()
    cring_channel_close(raw)
    #expect(failure(connection) == .closed)
    (raw, connection) = try rawPair()
    send(raw, [1, 0, 0, 0, 1])
    cring_channel_close(raw)
    #expect(failure(connection) == .truncated(byteCount: 5))
    let (a, b) = try VhostUserConnection.pair()
    _ = consume b
    #expect(throws: VhostUserError.closed) { try a.send(FrontendMessage.setOwner.encoded()) }
  }

  @Test func descriptorsOfAMessageThatIsRefusedAreClosed() throws {
    let file = unsafe cvhost_file("passed", 4096)
    defer { cring_channel_close(file) }
    do {
      let (raw, connection) = try rawPair()
      // Eight with the header are taken, and one more with the payload is too many.
      send(raw, [21, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0], descriptors: [Int32](repeating: file, count: 8))
      send(raw, [0, 0, 0, 0], descriptors: [file])
      #expect(failure(connection) == .tooManyDescriptors(limit: 8))
      #expect(cvhost_open_descriptors(file) == 9)
      cring_channel_close(raw)
    }
    #expect(cvhost_open_descriptors(file) == 1)
    do {
      let (raw, connection) = try rawPair()
      // Cut off in the middle: what came with it is freed with the connection.
      send(raw, [21, 0, 0, 0, 1], descriptors: [file, file])
      #expect(try connection.receive() == nil)
      cring_channel_close(raw)
      #expect(failure(connection) == .truncated(byteCount: 5))
    }
    #expect(cvhost_open_descriptors(file) == 1)
    do {
      let (raw, connection) = try rawPair()
      send(raw, [3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], descriptors: [file, file, file])
      let message = try #require(try connection.receive())
      #expect(throws: VhostUserError.descriptorCount(request: 3, count: 3, expected: 0)) {
        try FrontendMessage(message)
      }
      cring_channel_close(raw)
    }
    #expect(cvhost_open_descriptors(file) == 1)
  }

  /// A channel is a socket of the peer's, which sets what options it likes.
  @Test func whatTheKernelAddsForThePeersOptionsIsClosed() throws {
    var pair: (Int32, Int32) = (-1, -1)
    let error = unsafe withUnsafeMutablePointer(to: &pair) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe cring_stream_pair($0) }
    }
    #expect(error == 0)
    let connection = try VhostUserConnection(attaching: pair.1)
    var one: Int32 = 1
    // SO_PASSCRED, SO_PASSSEC, SO_TIMESTAMPNS and SO_PASSPIDFD, of which a kernel before 6.5 knows nothing.
    let options: [Int32] = [16, 34, 64, 76]
    let isSet = options.map { unsafe setsockopt(pair.1, SOL_SOCKET, $0, &one, 4) == 0 }
    if !isSet[3] { print("SO_PASSPIDFD is not known here: without a pidfd") }
    let before = pidDescriptors()
    let file = unsafe cvhost_file("passed", 4096)
    let message: [UInt8] = [21, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    for byte in message.dropLast() {
      send(pair.0, [byte])
      #expect(try connection.receive() == nil)
    }
    send(pair.0, [message[19]], descriptors: [file])
    let came = try #require(try connection.receive())
    #expect(came.descriptors.count == 1 && cvhost_open_descriptors(file) == 2)
    // One came with each of 20 parts; other tests may have some too.
    #expect(pidDescriptors() < before + 10)
    cring_channel_close(file)
    cring_channel_close(pair.0)
  }

  private func pidDescriptors() -> Int {
    (0..<1024).count { descriptor in
      var target = [CChar](repeating: 0, count: 64)
      return unsafe readlink("/proc/self/fd/\(descriptor)", &target, 63) > 0
        && String(decoding: target.map(UInt8.init(bitPattern:)), as: UTF8.self).contains("pidfd")
    }
  }

  @Test func whatIsNoSocketOfTheProtocolIsRefusedAndClosed() throws {
    let file = unsafe cvhost_file("no socket", 4096)
    defer { cring_channel_close(file) }
    let datagram = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    let internet = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    for descriptor in [try PassedDescriptor(borrowing: file).duplicate(), datagram, internet] {
      #expect(throws: VhostUserError.notASocket) { _ = try VhostUserConnection(attaching: descriptor) }
    }
    #expect(cvhost_open_descriptors(file) == 1)
  }
}

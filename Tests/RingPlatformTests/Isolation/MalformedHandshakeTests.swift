import CRing
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting
import Testing

@testable import RingPlatform

@Suite("A driver that sends a device in another process what it should not")
struct MalformedHandshakeTests {
  /// A message that is changed before it goes, with the descriptors that go along.
  struct Bad: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let isQueue: Bool
    let descriptors: Int
    let expected: DeviceHandshakeError
    let change: @Sendable (inout DeviceMessage) -> Void

    init(
      _ name: String, queue: Bool = false, descriptors: Int? = nil, _ expected: DeviceHandshakeError,
      _ change: @escaping @Sendable (inout DeviceMessage) -> Void = { _ in }
    ) {
      testDescription = name
      isQueue = queue
      self.descriptors = descriptors ?? (queue ? 0 : 1)
      self.expected = expected
      self.change = change
    }
  }

  static let base = IsolationFixture.sharedBase.rawValue

  static let cases: [Bad] = [
    Bad("another magic number", .wrongHeader(1 << 32 | 1 << 48)) { $0.words[0] = 1 << 32 | 1 << 48 },
    Bad("another version", .wrongVersion(3)) { $0.words[0] += 1 << 32 },
    Bad("a kind that is none", .wrongHeader(DeviceMessage.magic | 2 << 32 | 9 << 48)) {
      $0.words[0] = DeviceMessage.magic | 2 << 32 | 9 << 48
    },
    Bad("a reply from the driver", descriptors: 0, .unexpected(kind: 4)) {
      $0.words[0] = DeviceMessage(.reply).words[0]
    },
    Bad("a start before the memory", descriptors: 0, .unexpected(kind: 3)) {
      $0.words[0] = DeviceMessage(.start).words[0]
    },
    Bad("another number", .wrongSequence(expected: 1, found: 5)) { $0.words[1] = 5 },
    Bad("no region", .wrongField("region count", 0)) { $0.words[2] = 0 },
    Bad("nine regions", .wrongField("region count", 9)) { $0.words[2] = 9 },
    Bad("two regions and one file", .wrongDescriptors(expected: 2, found: 1)) {
      $0.words[2] = 2
      $0.words[5] = 0x5000_0000
      $0.words[6] = 4096
    },
    Bad("one region and no file", descriptors: 0, .wrongDescriptors(expected: 1, found: 0)),
    Bad("one region and three files", descriptors: 3, .wrongDescriptors(expected: 1, found: 3)),
    Bad("nine files", descriptors: 9, .tooManyDescriptors(limit: 8)),
    Bad(
      "a region beyond its file", .memory(.system(operation: "attaching 65537 bytes of shared memory", errno: EINVAL))
    ) { $0.words[4] = 65_537 },
    Bad("a region of no bytes", .memory(.invalidSize(0))) { $0.words[4] = 0 },
    Bad("a region of all bytes", .wrongField("region size", .max)) { $0.words[4] = .max },
    Bad(
      "a region that ends beyond 2^64",
      .memory(.addressOverflow(GuestPhysicalAddress(UInt64.max - 4095), byteCount: 65_536))
    ) { $0.words[3] = .max - 4095 },
    Bad("regions that overlap", descriptors: 2, .memory(.overlap(GuestPhysicalAddress(base + 4096)))) {
      $0.words[2] = 2
      $0.words[5] = base + 4096
      $0.words[6] = 4096
    },
    Bad("a word that means nothing yet", .wrongField("word 31", 1)) { $0.words[31] = 1 },
    Bad("a queue of a third layout", queue: true, .wrongField("layout", 2)) { $0.words[2] = 2 },
    Bad("a queue of no size", queue: true, .wrongField("queue size", 0)) { $0.words[3] = 0 },
    Bad("a split queue of seven", queue: true, .ring(.invalidSize(7))) { $0.words[3] = 7 },
    Bad("a size beyond all", queue: true, .wrongField("queue size", .max)) { $0.words[3] = .max },
    Bad("features of the other layout", queue: true, .wrongField("features", 5 << 32)) { $0.words[4] = 5 << 32 },
    Bad("a side that does not poll", queue: true, .wrongField("polling", 1)) { $0.words[8] = 1 },
    Bad("a position of 17 bits", queue: true, .wrongField("position", 1 << 16)) { $0.words[9] = 1 << 16 },
    Bad("a translation that is none", queue: true, .wrongField("translation", 4)) { $0.words[10] = 4 },
    Bad("windows without translation", queue: true, .wrongField("window count", 1)) { $0.words[12] = 1 },
    Bad("sets without an IOTLB", queue: true, .wrongField("IOTLB sets", 64)) { $0.words[11] = 64 },
    Bad("65 sets", queue: true, .wrongField("IOTLB sets", 65)) {
      $0.words[10] = 1
      $0.words[11] = 65
    },
    Bad("four windows", queue: true, .wrongField("window count", 4)) {
      $0.words[10] = 1
      $0.words[11] = 64
      $0.words[12] = 4
    },
    Bad("a window beyond 48 bits", queue: true, .wrongField("window", 1 << 48)) {
      $0.words[10] = 1
      $0.words[11] = 64
      $0.words[12] = 1
      $0.words[13] = 1 << 48
      $0.words[15] = 4096
    },
    Bad("a window not as far into its page as its target", queue: true, .wrongField("window", 4096)) {
      $0.words[10] = 1
      $0.words[11] = 64
      $0.words[12] = 1
      $0.words[13] = 4096
      $0.words[14] = 100
      $0.words[15] = 4096
    },
    domain("a shared domain without its files", descriptors: 0, .wrongDescriptors(expected: 2, found: 0)),
    domain("a shared domain with one file", descriptors: 1, .wrongDescriptors(expected: 2, found: 1)),
    domain("a shared domain with three files", descriptors: 3, .wrongDescriptors(expected: 2, found: 3)),
    Bad("windows with the files of a domain", queue: true, descriptors: 2, .wrongDescriptors(expected: 0, found: 2)),
    domain("a domain of another layout", .wrongField("domain layout", 2)) { $0.words[12] = 2 },
    domain("tables of all bytes", .wrongField("table size", .max)) { $0.words[13] = .max },
    domain("tables without a root", .wrongField("table size", 8192)) { $0.words[13] = 8192 },
    domain("tables of no bytes", .memory(.invalidSize(0))) { $0.words[13] = 0 },
    domain(
      "tables beyond their file", .memory(.system(operation: "reading 65537 bytes of shared memory", errno: EINVAL))
    ) { $0.words[13] = 65_537 },
    domain("two pages of answers", .wrongField("answer size", 8192)) { $0.words[14] = 8192 },
    domain("a word of a domain that means nothing yet", .wrongField("word 15", 1)) { $0.words[15] = 1 },
    domain("a domain and no sets", .wrongField("IOTLB sets", 0)) { $0.words[11] = 0 },
  ]

  private static func domain(
    _ name: String, descriptors: Int = 2, _ expected: DeviceHandshakeError,
    _ change: @escaping @Sendable (inout DeviceMessage) -> Void = { _ in }
  ) -> Bad {
    Bad(name, queue: true, descriptors: descriptors, expected) {
      ($0.words[10], $0.words[11], $0.words[12], $0.words[13], $0.words[14]) = (3, 64, 1, 65_536, 4096)
      change(&$0)
    }
  }

  @Test("a typed error, the reason to the driver, the connection closed, every descriptor given back", arguments: cases)
  func refused(_ bad: Bad) throws {
    let guest = try IsolationFixture()
    let file = try #require(guest.shared.fileDescriptor)
    do {
      let (here, there) = try DeviceSocket.pair()
      let (device, thread) = IsolationFixture.serve(there)
      try here.setTimeout(nanoseconds: 120_000_000_000)
      var message = Self.memory()
      if bad.isQueue {
        try here.send(message, descriptors: [file])
        #expect(try here.receive().message.words[2] == 0)
        message = try guest.splitQueue().message()
        message.words[1] = 2
      }
      bad.change(&message)
      try here.send(message, descriptors: [Int32](repeating: file, count: bad.descriptors))
      let reply = try here.receive().message
      #expect(reply.words[2] == DeviceMessage.Status.malformed.rawValue)
      #expect(try reply.text() == bad.expected.description)
      #expect(throws: DeviceHandshakeError.closed) { _ = try here.receive() }
      thread.join()
      #expect(device.error == bad.expected)
    }
    let left = try Self.uses(of: file)
    #expect(left == (1, 1), "descriptors and mappings of what was passed")
  }

  @Test("a message of another length is none", arguments: [1, 8, 255, 257, 4096])
  func length(_ count: Int) throws {
    let (here, there) = try DeviceSocket.pair()
    let (device, thread) = IsolationFixture.serve(there)
    let bytes = [UInt8](repeating: 0x52, count: count)
    #expect(unsafe cring_channel_send(here.fileDescriptor, bytes, bytes.count, true) == 0)
    thread.join()
    #expect(device.error == .wrongLength(byteCount: count))
  }

  @Test("answers of two threads are numbered in the order in which they arrive")
  func answersOfTwoThreads() throws {
    let (here, there) = try DeviceSocket.pair()
    try here.setTimeout(nanoseconds: 120_000_000_000)
    let endpoint = DeviceEndpoint(there)
    let count = 200
    let threads = (0..<2).map { _ in
      TestThread { for _ in 0..<count { try? endpoint.refuse("busy") } }
    }
    for number in 1...2 * count {
      let message = try here.receive().message
      #expect(message.words[1] == UInt64(number))
    }
    for thread in threads { thread.join() }
  }

  @Test("a reason that a device's process gives is fit for a terminal")
  func reasonsArePrintable() throws {
    let message = DeviceMessage(.report, .failed, "\u{9b}31mno\n\u{202e}x")
    #expect(try message.text() == "31mnox")
  }

  @Test("a file that can still shrink is not mapped: its owner could turn an access into a signal")
  func unsealed() throws {
    let (here, there) = try DeviceSocket.pair()
    let (device, thread) = IsolationFixture.serve(there)
    var name = Array("/tmp/ringkit-unsealed-XXXXXX".utf8CString)
    let file = unsafe mkstemp(&name)
    unsafe unlink(name)
    #expect(file >= 0 && ftruncate(file, 65_536) == 0)
    try here.send(Self.memory(), descriptors: [file])
    thread.join()
    close(file)
    #expect(device.error == .memory(.notSealed(byteCount: 65536)))
  }

  @Test("random words never get further than a typed error")
  func random() throws {
    var generator = SeededGenerator(for: "random handshakes")
    let guest = try IsolationFixture()
    let queue = try guest.splitQueue().message()
    for _ in 0..<20_000 {
      var message = queue
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let bits = Int.random(in: 1...64, using: &generator)
        let value = UInt64.random(in: 0...(.max >> UInt64(64 - bits)), using: &generator)
        message.words[Int.random(in: 2..<32, using: &generator)] = value
      }
      do throws(DeviceHandshakeError) {
        var files: [Int32] = []
        let found = try DeviceQueueDescription(message, &files)
        // What is taken says what came, word for word.
        #expect(try found.message().words[2] == message.words[2] && found.addresses.count == 3)
        _ = found.isPacked ? nil : try? found.splitRing(in: guest.memory)
      } catch { #expect(!error.description.isEmpty) }
    }
  }

  private static func memory() -> DeviceMessage {
    var message = DeviceMessage(.memory)
    message.words[1] = 1
    message.words[2] = 1
    message.words[3] = base
    message.words[4] = 65_536
    return message
  }

  /// Descriptors of a file that this process has open, and mappings of it.
  private static func uses(of descriptor: Int32) throws -> (descriptors: Int, mappings: Int) {
    var wanted = stat()
    try #require(unsafe fstat(descriptor, &wanted) == 0)
    var open = 0
    for candidate in 0..<Int32(4096) {
      var found = stat()
      if unsafe fstat(candidate, &found) == 0, found.st_ino == wanted.st_ino, found.st_dev == wanted.st_dev {
        open += 1
      }
    }
    let file = unsafe try #require(unsafe fopen("/proc/self/maps", "re"))
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = unsafe getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    let maps = String(decoding: bytes, as: UTF8.self)
    // The inode's number may be another file's on another device: the name tells that it is a memfd's.
    let mapped = maps.split(separator: "\n").count { line in
      let fields = line.split(separator: " ")
      return fields.count > 5 && fields[4] == "\(wanted.st_ino)" && fields[5].hasPrefix("/memfd:")
    }
    return (open, mapped)
  }
}

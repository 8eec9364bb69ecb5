import RingKit
import Testing

@testable import VhostUser

/// The network device that returns what it is sent (virtio 1.2, 5.1.6), driven from beginning to end over a socket.
@Suite struct LoopbackDeviceTests {
  private static let mergeable = FrameDriver.mergeable
  private static let rings: [VirtioFeatures] = [
    [], .version1, [.version1, .packedRing], [.version1, .inOrder], [.version1, .packedRing, .inOrder],
    [.version1, .eventIndex], [.version1, .accessPlatform], [.version1, .packedRing, .accessPlatform],
  ]
  static let variants = rings + rings.map { $0.union(FrameDriver.mergeable) }

  @Test(arguments: variants) func aFrameComesBackAsItWasSent(features: VirtioFeatures) throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: features)
    let header = driver.headerByteCount
    // Several laps of the ring, at lengths around a segment's end.
    for (n, count) in [0, 1, 60, 63, 64, 65, 1514, 3000].flatMap({ count in (0..<6).map { (count + $0, count) } }) {
      let frame = FrameDriver.frame(n, count)
      try driver.give(4096, token: 1)
      try driver.send(frame, segmentBytes: 64 * (1 + n % 3) + count / 8)
      let sent = try driver.queues[1].used()
      #expect(sent.map(\.writtenByteCount) == [0])
      let back = try driver.queues[0].used()
      #expect(back.map(\.token) == [1] && back.map(\.writtenByteCount) == [UInt32(header + count)])
      #expect(driver.received(1, header..<(header + count)) == frame)
      // One buffer, where the header says how many; the rest of it is not touched.
      #expect(driver.received(1, 0..<header) == [UInt8](repeating: 0, count: 10) + (header == 12 ? [1, 0] : []))
      #expect(driver.received(1, (header + count)..<4096).allSatisfy { $0 == 0xee })
    }
    #expect(device.returned == 48 && device.dropped == 0)
    #expect(driver.frontend.backend.takeFailures().isEmpty)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder, [.packedRing, .inOrder]])
  func aLongFrameIsSpreadOverMergeableBuffers(layout: VirtioFeatures) throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: layout.union([.version1, Self.mergeable]))
    let frame = FrameDriver.frame(3, 1000)
    try driver.send(frame)
    // Held until all of them are there; then as many as it needs, in order.
    for token in 0..<3 as Range<UInt64> {
      #expect(try driver.queues[0].used().isEmpty)
      try driver.give(400, token: token)
    }
    let back = try driver.queues[0].used()
    #expect(back.map(\.token) == [0, 1, 2] && back.map(\.writtenByteCount) == [400, 400, 212])
    #expect(driver.received(0, 0..<12) == [UInt8](repeating: 0, count: 10) + [3, 0])
    let bytes = driver.received(0, 12..<400) + driver.received(1, 0..<400) + driver.received(2, 0..<212)
    #expect(bytes == frame && driver.received(2, 212..<400).allSatisfy { $0 == 0xee })
    #expect(device.returned == 1)
  }

  /// What is the same is not written again, and what is not is, wherever the header is split.
  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder], [nil, 0, 8, 10, 11] as [Int?])
  func aHeaderIsRightWhateverStoodThere(layout: VirtioFeatures, wrong: Int?) throws {
    let driver = try FrameDriver(LoopbackDevice(), features: layout.union([.version1, Self.mergeable]))
    let header = [UInt8](repeating: 0, count: 10) + [1, 0]
    for first in [4, 8, 10, 12, 100] {
      var bytes = header
      if let wrong { bytes[wrong] ^= 0x5a }
      unsafe UnsafeMutableRawBufferPointer(rebasing: driver.buffer.bytes[..<12]).copyBytes(from: bytes)
      let parts = [
        driver.buffer.segment(at: 0, length: first), driver.buffer.segment(at: first, length: 100),
      ]
      try driver.queues[0].add(writable: parts, token: 0)
      try driver.send(FrameDriver.frame(1, 60))
      #expect(try driver.queues[0].used().map(\.writtenByteCount) == [72])
      #expect(driver.received(0, 0..<12) == header && driver.received(0, 12..<72) == FrameDriver.frame(1, 60))
      #expect(try driver.queues[1].used().count == 1)
    }
  }

  @Test(arguments: [VirtioFeatures.inOrder, [.packedRing, .inOrder]])
  func eachBufferOfAFrameHasAUsedEntryOfItsOwn(layout: VirtioFeatures) throws {
    let driver = try FrameDriver(LoopbackDevice(), features: layout.union([.version1, Self.mergeable]))
    for token in 0..<3 as Range<UInt64> { try driver.give(400, token: token) }
    try driver.send(FrameDriver.frame(3, 1000))
    let parts = driver.queues[0].parts
    let isPacked = layout.contains(.packedRing)
    let address = isPacked ? parts.0 : parts.used
    let region = driver.frontend.region
    let host = unsafe region.hostBase.advanced(by: Int(address.rawValue - region.guestBase.rawValue))
    let ring = unsafe SharedMemory(host, byteCount: 256)
    // Split: id and length behind flags and index. Packed: length, id and flags behind the address.
    let lengths = (0..<3).map { ring.load32(isPacked ? 16 * $0 + 8 : 8 * $0 + 8) }
    #expect(lengths == [400, 400, 212])
    if isPacked {
      // Available and used as the first lap has them: both bits set.
      for i in 0..<3 { #expect(ring.load16(16 * i + 14) & 0x8080 == 0x8080) }
    } else {
      #expect(ring.load16(2) == 3)
    }
    #expect(try driver.queues[0].used().map(\.writtenByteCount) == lengths)
  }

  @Test func aBufferThatIsTooShortAndMayNotBeMergedComesBackWithAHeaderAlone() throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: .version1)
    try driver.send(FrameDriver.frame(0, 100))
    try driver.send(FrameDriver.frame(1, 50), token: 1)
    try driver.give(111, token: 0)
    try driver.give(112, token: 1)
    let back = try driver.queues[0].used()
    #expect(back.map(\.writtenByteCount) == [12, 62] && device.dropped == 1 && device.returned == 1)
    #expect(driver.received(0, 12..<111).allSatisfy { $0 == 0xee })
    #expect(driver.received(1, 12..<62) == FrameDriver.frame(1, 50))
  }

  @Test func noMoreFramesAreTakenThanAreKept() throws {
    let device = LoopbackDevice(frameCapacity: 2)
    let driver = try FrameDriver(device, features: .version1)
    for token in 0..<4 as Range<UInt64> { try driver.send(FrameDriver.frame(Int(token), 80), token: token) }
    #expect(try driver.queues[1].used().map(\.token) == [0, 1])
    // Each that is returned makes room for another, without a word of the driver's.
    for token in 0..<4 as Range<UInt64> { try driver.give(200, token: token) }
    #expect(try driver.queues[1].used().map(\.token) == [2, 3])
    #expect(try driver.queues[0].used().map(\.token) == [0, 1, 2, 3])
    for token in 0..<4 as Range<UInt64> {
      #expect(driver.received(token, 12..<92) == FrameDriver.frame(Int(token), 80))
    }
  }

  @Test func theLongestFrameIsKeptAndALongerOneDropped() throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: [.version1, Self.mergeable])
    let longest = FrameDriver.frame(7, 16_384)
    try driver.send(longest + [1])
    try driver.send(longest, token: 1)
    #expect(try driver.queues[1].used().map(\.token) == [0, 1] && device.dropped == 1)
    for token in 0..<5 as Range<UInt64> { try driver.give(4096, token: token) }
    let back = try driver.queues[0].used()
    #expect(back.map(\.writtenByteCount) == [4096, 4096, 4096, 4096, 12])
    let bytes = (0..<5 as Range<UInt64>).flatMap { driver.received($0, ($0 == 0 ? 12 : 0)..<($0 == 4 ? 12 : 4096)) }
    #expect(bytes == longest)
  }

  @Test(arguments: [0, 1]) func lessThanAHeaderStopsTheQueue(index: Int) throws {
    let driver = try FrameDriver(LoopbackDevice(), features: .version1)
    if index == 1 {
      try driver.queues[1].add(readable: [driver.buffer.segment(at: 0, length: 11)], token: 0)
    } else {
      try driver.send(FrameDriver.frame(0, 60))
      try driver.queues[0].add(writable: [driver.buffer.segment(at: 0, length: 11)], token: 0)
    }
    try driver.settle()
    let failures = driver.frontend.backend.takeFailures()
    #expect(failures.map(\.index) == [index])
    guard case .device(let reason)? = failures.first?.failure else {
      Issue.record("\(failures)")
      return
    }
    #expect(reason.contains("11"))
  }

  @Test func eachPairReturnsItsOwn() throws {
    let device = LoopbackDevice(pairCount: 3)
    let several = VirtioFeatures(rawValue: 1 << 22)
    let driver = try FrameDriver(device, features: [.version1, several])
    for pair in 0..<3 { try driver.send(FrameDriver.frame(pair, 70), pair: pair, token: UInt64(pair)) }
    for pair in [2, 0, 1] { try driver.give(100, pair: pair, token: UInt64(pair)) }
    for pair in 0..<3 {
      #expect(try driver.queues[2 * pair].used().map(\.token) == [UInt64(pair)])
      #expect(driver.received(UInt64(pair), 12..<82) == FrameDriver.frame(pair, 70))
    }
  }

  @Test func aDeviceWithoutAConfigurationSpaceDoesNotOfferToRead() throws {
    let frontend = try ScriptedFrontend(LoopbackDevice(), features: .version1)
    #expect(try frontend.ask(.getProtocolFeatures).number() & ProtocolFeatures.config.rawValue == 0)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder, [.packedRing, .inOrder], .indirectDescriptors])
  func aFrameLargerThanAllBuffersOfTheRingIsDropped(layout: VirtioFeatures) throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: layout.union([.version1, Self.mergeable]), size: 4)
    for token in 0..<4 as Range<UInt64> { try driver.give(100, token: token) }
    // 388 bytes fit into the four.
    try driver.send(FrameDriver.frame(1, 389), token: 0)
    try driver.send(FrameDriver.frame(2, 1500), token: 1)
    #expect(try driver.queues[1].used().map(\.token) == [0, 1] && device.dropped == 2)
    #expect(try driver.queues[0].used().isEmpty)
    try driver.send(FrameDriver.frame(3, 388), token: 2)
    #expect(try driver.queues[0].used().map(\.writtenByteCount) == [100, 100, 100, 100])
    #expect(driver.received(0, 12..<100) == Array(FrameDriver.frame(3, 388)[..<88]))
    #expect(device.returned == 1 && device.dropped == 2)
  }

  /// What is kept was full, so frames were not taken; room comes without a buffer that is completed.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aFrameThatIsDroppedMakesRoomForTheNext(layout: VirtioFeatures) throws {
    let device = LoopbackDevice(frameCapacity: 2)
    let driver = try FrameDriver(device, features: layout.union([.version1, Self.mergeable]), size: 4)
    for token in 0..<2 as Range<UInt64> { try driver.send(FrameDriver.frame(1, 389), token: token) }
    #expect(try driver.queues[1].used().map(\.token) == [0, 1])
    try driver.send(FrameDriver.frame(1, 389), token: 2)
    #expect(try driver.queues[1].used().isEmpty)
    for token in 0..<4 as Range<UInt64> { try driver.give(100, token: token) }
    #expect(try driver.queues[1].used().map(\.token) == [2] && device.dropped == 3)
  }

  /// Buffers that were held for a longer frame are the next ones', each of which takes as many as it needs.
  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder])
  func aFrameTakesNoMoreOfTheHeldBuffersThanItNeeds(layout: VirtioFeatures) throws {
    let driver = try FrameDriver(LoopbackDevice(), features: layout.union([.version1, Self.mergeable]), size: 4)
    for token in 0..<4 as Range<UInt64> { try driver.give(100, token: token) }
    try driver.send(FrameDriver.frame(1, 389), token: 0)
    for (token, frame) in [(0, 60), (1, 150)] as [(UInt64, Int)] {
      #expect(try driver.queues[1].used().count == 1)
      try driver.send(FrameDriver.frame(2, frame), token: 1)
      let lengths = try driver.queues[0].used().map(\.writtenByteCount)
      #expect(lengths == (token == 0 ? [72] : [100, 62]))
      #expect(driver.received(token, 10..<12) == [UInt8(lengths.count), 0])
    }
    #expect(driver.frontend.backend.device.pairs[0].held.count == 1)
  }

  @Test func aFrameForWhichNoMoreBuffersComeIsDropped() throws {
    let device = LoopbackDevice()
    var now: UInt64 = 1
    device.clock.source = { now }
    let driver = try FrameDriver(device, features: [.version1, Self.mergeable])
    try driver.give(100, token: 0)
    try driver.send(FrameDriver.frame(1, 200))
    #expect(device.dropped == 0)
    now += LoopbackDevice.patience + 1
    // The next one finds that the driver gave nothing for it.
    try driver.send(FrameDriver.frame(2, 60), token: 1)
    #expect(try driver.queues[0].used().map(\.writtenByteCount) == [72])
    #expect(device.dropped == 1 && device.returned == 1)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func buffersThatAreHeldAreFetchedAgainAfterAStop(layout: VirtioFeatures) throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: layout.union([.version1, Self.mergeable]))
    let frame = FrameDriver.frame(9, 500)
    try driver.send(frame)
    try driver.give(300, token: 0)
    // Held, and not counted as done: the ring goes on in front of it.
    let base = try driver.frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    #expect(base == driver.frontend.firstBase)
    try driver.start(0)
    try driver.give(300, token: 1)
    #expect(try driver.queues[0].used().map(\.token) == [0, 1])
    #expect(driver.received(0, 12..<300) + driver.received(1, 0..<212) == frame)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aBufferThatIsHeldIsNotWrittenOnceItsTranslationIsTakenBack(layout: VirtioFeatures) throws {
    let driver = try FrameDriver(
      LoopbackDevice(), features: layout.union([.version1, .accessPlatform, Self.mergeable]))
    let frame = FrameDriver.frame(5, 500)
    try driver.send(frame)
    try driver.give(300, token: 0)
    let held = driver.buffer.address.rawValue
    let asked = { driver.frontend.answered.filter { $0.address.rawValue == held }.count }
    #expect(asked() == 1)
    let message = IOTLBMessage(.invalidate, address: IOVA(held), byteCount: 4096)
    #expect(try driver.frontend.ask(.iotlb(message), needsReply: true).number() == 0)
    try driver.give(300, token: 1)
    #expect(try driver.queues[0].used().map(\.token) == [0, 1])
    // Asked for again before it was written.
    #expect(asked() == 2)
    #expect(driver.received(0, 12..<300) + driver.received(1, 0..<212) == frame)
    #expect(driver.frontend.backend.takeFailures().isEmpty)
  }
}

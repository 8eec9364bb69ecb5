import Glibc
import RingKit
import Testing
import VhostUser

/// Random bytes and keys, as a driver finds them in its buffers.
@Suite struct SmallDeviceTests {
  @Test(arguments: [VirtioFeatures(), .packedRing]) func everyByteOfABufferIsRandom(layout: VirtioFeatures) throws {
    let device = EntropyDevice()
    let driver = try BodyDriver(device, features: layout)
    for (token, count) in [1, 7, 8, 1000].enumerated() {
      try driver.queue.add(writable: driver.parts(1024 * token, count, 50), token: UInt64(token))
    }
    try driver.settle()
    #expect(try driver.queue.used().map(\.writtenByteCount) == [1, 7, 8, 1000])
    #expect(device.byteCount == 1016)
    #expect(Set(driver.bytes(3072..<4072)).count > 200)
    // Nothing beyond a buffer.
    #expect(driver.bytes(1031..<2048).allSatisfy { $0 == 0 })
    // A buffer that nothing can be written to breaks a rule of the device.
    try driver.queue.add(readable: driver.parts(0, 8, 8), token: 9)
    try driver.settle()
    #expect(driver.frontend.backend.takeFailures().count == 1)
  }

  /// Buffers that do not divide the page that the kernel is asked for: what one call leaves, the next one gives.
  @Test func noRandomByteIsGivenTwice() throws {
    let driver = try BodyDriver(EntropyDevice(), features: [])
    var seen: Set<[UInt8]> = []
    for round in 0..<8 {
      for token in 0..<3 {
        try driver.queue.add(writable: driver.parts(4096 * token, 1_500, 700), token: UInt64(token))
      }
      try driver.settle()
      #expect(try driver.queue.used().map(\.writtenByteCount) == [1_500, 1_500, 1_500])
      for token in 0..<3 {
        let bytes = driver.bytes((4096 * token)..<(4096 * token + 1_500))
        for start in stride(from: 0, to: 1_500 - 12, by: 12) {
          let part = bytes[start..<(start + 12)]
          #expect(seen.insert(Array(part)).inserted, "round \(round), buffer \(token), offset \(start)")
          #expect(part.contains { $0 != 0 })
        }
      }
    }
  }

  @Test(arguments: [VirtioFeatures(), .packedRing]) func charactersBecomeKeys(layout: VirtioFeatures) throws {
    var ends: [Int32] = [-1, -1]
    #expect(unsafe pipe(&ends) == 0)
    let device = InputDevice(reading: ends[0])
    let driver = try BodyDriver(device, features: layout)
    // 'B' with the shift key: eight events; there are buffers for six of them.
    for token in 0..<6 { try driver.queue.add(writable: driver.parts(16 * token, 8, 3), token: UInt64(token)) }
    try driver.settle()
    #expect(unsafe write(ends[1], "\u{1}B", 2) == 2)
    try driver.frontend.settle()
    for token in 6..<8 { try driver.queue.add(writable: driver.parts(16 * token, 8, 8), token: UInt64(token)) }
    try driver.settle()
    #expect(try driver.queue.used().map(\.writtenByteCount) == Array(repeating: 8, count: 8))
    let events = (0..<8).map { driver.bytes((16 * $0)..<(16 * $0 + 8)) }
    let report = [UInt8](repeating: 0, count: 8)
    func key(_ code: UInt8, _ value: UInt8) -> [UInt8] { [1, 0, code, 0, value, 0, 0, 0] }
    #expect(
      events == [key(42, 1), report, key(48, 1), report, key(48, 0), report, key(42, 0), report])
    #expect(device.keyCount == 1)
    close(ends[0])
    close(ends[1])
  }

  /// A pipe that is always full, and a driver that keeps up: no more is read than was delivered.
  @Test func charactersWaitInThePipeWhileEventsWait() throws {
    var ends: [Int32] = [-1, -1]
    #expect(unsafe pipe(&ends) == 0)
    let device = InputDevice(reading: ends[0])
    let driver = try BodyDriver(device, features: .version1)
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
    #expect(unsafe write(ends[1], text, text.count) == text.count)
    var delivered = 0
    for _ in 0..<6 {
      for token in 0..<64 { try driver.queue.add(writable: driver.parts(16 * token, 8, 8), token: UInt64(token)) }
      try driver.settle()
      delivered += try driver.queue.used().count
    }
    // Four events a key; 64 characters are read at a time.
    #expect(delivered == 384 && device.keyCount == 128 && device.sources.isEmpty)
    close(ends[0])
    close(ends[1])
  }

  /// However large a driver's buffers are, and however many.
  @Test func aCallGivesSixtyFourKibibytesAtMost() throws {
    let device = EntropyDevice()
    let driver = try BodyDriver(device, features: .version1)
    for token in 0..<20 as Range<UInt64> { try driver.queue.add(writable: driver.parts(0, 5000, 5000), token: token) }
    driver.frontend.kick.ring()
    while device.byteCount == 0 { _ = try driver.frontend.backend.step(milliseconds: 0) }
    #expect(device.byteCount == 65_536)
    try driver.frontend.settle()
    #expect(try driver.queue.used().map(\.writtenByteCount) == Array(repeating: 4096, count: 20))
  }

  @Test func aKeyboardTellsItsKeysAndItsName() {
    let device = InputDevice(reading: -1)
    func part(_ select: UInt8, _ subselect: UInt8) -> [UInt8] {
      // QEMU writes the whole of it.
      #expect(device.write(ConfigAccess(offset: 0, bytes: [select, subselect] + [UInt8](repeating: 9, count: 134))))
      let space = device.configuration
      #expect(space.count == 136 && space[0] == select && space[1] == subselect)
      return Array(space[8..<(8 + Int(space[2]))])
    }
    #expect(part(1, 0) == Array("ringkit keyboard".utf8))
    let keys = part(0x11, 1)
    // Escape is none of them; 1 is key 2, A 30, the left shift key 42, the blank 57.
    for code in [2, 30, 42, 57] { #expect(keys[code / 8] & 1 << UInt8(code % 8) != 0, "key \(code)") }
    #expect(keys[0] & 2 == 0)
    #expect(part(0x11, 2).isEmpty && part(0, 0).isEmpty)
    #expect(!device.write(ConfigAccess(offset: 4, bytes: [1])))
  }
}

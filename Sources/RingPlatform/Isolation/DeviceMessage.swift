internal import RingKit

/// What driver and device say to each other while a device is set up: 256 bytes, 32 words in the order of the machine.
///
/// Version 2; in version 1 there were no shared domains.
///
/// Word 0: the magic number, the version in bits 32...47, the kind in bits 48...63. Word 1: the message's number,
/// counted by each side from 1. What a kind does not use is 0.
///
/// - memory: word 2 the number of regions, 1 to 8; from word 3 on, guest-physical address and size of each. One memfd a
///   region comes along, in the same order.
/// - queue: ``DeviceQueueDescription/init(_:_:)``. Of one behind a shared domain two memfds come along: page table and
///   requests, sealed against writing, and the page in which this device answers.
/// - start: words 24...31 are the program's own.
/// - reply, and report (what became of the device, its last message): word 2 the status, word 3 the length of a text,
///   which is UTF-8 from word 4 on.
struct DeviceMessage: Sendable {
  enum Kind: UInt16 {
    case memory = 1
    case queue = 2
    case start = 3
    case reply = 4
    case report = 5
  }

  enum Status: UInt64 {
    case done = 0
    case malformed = 1
    case refused = 2
    case failed = 3
  }

  static let byteCount = 256
  static let magic: UInt64 = 0x5644_4b52
  static let version: UInt64 = 2
  static let mostRegions = 8
  static let mostTextBytes = 8 * 28
  static let configurationWords = 24..<32

  var words: InlineArray<32, UInt64>
  let kind: Kind

  init(_ kind: Kind) {
    self.kind = kind
    words = InlineArray(repeating: 0)
    words[0] = Self.magic | Self.version << 32 | UInt64(kind.rawValue) << 48
  }

  /// What 32 words are, by their header alone.
  init(_ words: InlineArray<32, UInt64>) throws(DeviceHandshakeError) {
    guard words[0] & 0xffff_ffff == Self.magic else { throw .wrongHeader(words[0]) }
    guard words[0] >> 32 & 0xffff == Self.version else { throw .wrongVersion(UInt16(words[0] >> 32 & 0xffff)) }
    guard let kind = Kind(rawValue: UInt16(words[0] >> 48)) else { throw .wrongHeader(words[0]) }
    self.kind = kind
    self.words = words
  }

  /// A reply or a report; a text that is too long is cut.
  init(_ kind: Kind, _ status: Status, _ text: String) {
    self.init(kind)
    words[2] = status.rawValue
    var count = 0
    for byte in text.utf8.prefix(Self.mostTextBytes) {
      words[4 + count / 8] |= UInt64(byte) << UInt64(8 * (count % 8))
      count += 1
    }
    words[3] = UInt64(count)
  }

  /// The text of a reply or a report, fit for a terminal.
  func text() throws(DeviceHandshakeError) -> String {
    guard words[3] <= UInt64(Self.mostTextBytes) else { throw .wrongField("text length", words[3]) }
    let bytes = (0..<Int(words[3])).map { UInt8(truncatingIfNeeded: words[4 + $0 / 8] >> UInt64(8 * ($0 % 8))) }
    return String(printable: bytes)
  }

  var configuration: [UInt64] { Self.configurationWords.map { words[$0] } }

  mutating func setConfiguration(_ program: [UInt64]) throws(DeviceHandshakeError) {
    guard program.count <= Self.configurationWords.count else {
      throw .wrongField("word count of the program", UInt64(program.count))
    }
    for (i, word) in program.enumerated() { words[Self.configurationWords.lowerBound + i] = word }
  }

  /// Words of a range that must be 0 because their meaning is for a later version.
  func requireZero(_ range: Range<Int>) throws(DeviceHandshakeError) {
    for i in range where words[i] != 0 { throw .wrongField("word \(i)", words[i]) }
  }
}

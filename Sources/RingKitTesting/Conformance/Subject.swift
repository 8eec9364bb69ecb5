internal import RingKit
internal import VhostUser

/// A request of a kind of device: what the driver says, and what the device may answer.
struct SubjectRequest {
  /// What the device reads, and how a plain driver cuts it.
  let readable: [UInt8]
  let readableCut: [Int]
  /// How a plain driver cuts what the device writes.
  let writableCut: [Int]
  /// What is wrong with the bytes that came back; `nil` for nothing.
  let check: ([UInt8]) -> String?
  /// How many of the bytes the device was seen to write; more may have the value they had before.
  let writtenAtLeast: ([UInt8]) -> Int

  var writableByteCount: Int { writableCut.reduce(0, +) }
}

/// What is known of the device under test: its kind, its limits, and what its requests look like.
final class Subject {
  let kind: ConformanceKind
  /// Of a network device: whether its receive queue is looked at, for which frames are sent through the other one.
  let isReceiving: Bool
  private let limits: BlockLimits?
  /// The first blocks of a disk, once they were read.
  var reference: [UInt8] = []
  /// Frames that were sent, by their number, and how many of them came back.
  private(set) var sent: [UInt32: [UInt8]] = [:]
  private(set) var returned = 0

  static let poison: UInt8 = 0xc3

  init(_ kind: ConformanceKind, isReceiving: Bool = false, configuration: [UInt8], features: VirtioFeatures) {
    (self.kind, self.isReceiving) = (kind, isReceiving)
    limits =
      kind == .block && configuration.count >= BlockLimits.byteCount
      ? BlockLimits(configuration, features: features) : nil
  }

  /// The queue that is looked at, and how many there are.
  var queue: Int { kind == .network && !isReceiving ? 1 : 0 }
  var queueCount: Int { kind == .network ? 2 : 1 }

  /// Whether a request can be sent at all.
  var hasRequests: Bool { kind != .any }

  var blockByteCount: Int { Int(limits?.blockByteCount ?? 512) }
  /// Blocks that are read at most.
  var blockCount: Int { Int(min((limits?.sectorCount ?? 64) * 512 / UInt64(blockByteCount), 32)) }

  /// Segments that a request may have, and has at least.
  var mostSegments: Int {
    switch kind {
    case .block: Int(min(limits?.segmentCount ?? 1022, 32_766)) + 2
    case .network: 1024
    case .entropy, .any: 32_768
    }
  }
  var fewestSegments: Int { kind == .block ? 2 : 1 }

  /// A request, different from the ones before and after; `units` are blocks of a disk, or some bytes of another kind.
  func request(_ number: Int, units: Int = 1) -> SubjectRequest {
    switch kind {
    case .block: read(number * 3 % max(blockCount - units, 1), blocks: min(units, blockCount))
    case .network where isReceiving: room(12 + 1514 + units * 16 + number % 31)
    case .network: frame(number, units: units)
    case .entropy, .any: random(16 * units + number % 5)
    }
  }

  private func read(_ block: Int, blocks: Int) -> SubjectRequest {
    let byteCount = blocks * blockByteCount
    let start = block * blockByteCount
    let expected = reference.count >= start + byteCount ? Array(reference[start..<start + byteCount]) : nil
    return SubjectRequest(
      readable: Self.header(type: 0, sector: UInt64(start / 512)), readableCut: [16], writableCut: [byteCount, 1],
      check: { bytes in
        guard bytes[byteCount] == 0 else { return "a read of \(blocks) blocks has the status \(bytes[byteCount])" }
        guard let expected, let at = firstDifference(expected, bytes) else { return nil }
        return "byte \(at) of block \(block) is \(bytes[at]), and was \(expected[at]) when it was read first"
      },
      writtenAtLeast: { $0[byteCount] == Self.poison ? 0 : $0.count })
  }

  static func header(type: UInt32, sector: UInt64) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: type >> ($0 * 8)) } + [0, 0, 0, 0]
      + (0..<8).map { UInt8(truncatingIfNeeded: sector >> ($0 * 8)) }
  }

  /// A frame for no one, of the ethertype for experiments, that carries its number.
  func frame(_ number: Int, units: Int = 1) -> SubjectRequest {
    let byteCount = min(60 + units * 16 + number % 31, 1514)
    let mark = UInt32(truncatingIfNeeded: number)
    var bytes: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]
    bytes += (0..<4).map { UInt8(truncatingIfNeeded: mark >> ($0 * 8)) }
    bytes += (bytes.count..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ Int(mark)) }
    sent[mark] = bytes
    return SubjectRequest(
      readable: [UInt8](repeating: 0, count: 12) + bytes, readableCut: [12, byteCount], writableCut: [],
      check: { _ in nil }, writtenAtLeast: { _ in 0 })
  }

  /// Holds a frame that the device sent against the one it was given.
  ///
  /// - Returns: what is wrong; `nil` also of a frame that is not one of ours.
  func received(_ bytes: [UInt8], length: Int) -> String? {
    guard bytes.count >= length, let number = Self.number(of: bytes.prefix(length)) else { return nil }
    returned += 1
    guard let frame = sent[number] else { return "a frame with the number \(number) was never sent" }
    return bytes[12..<length].elementsEqual(frame)
      ? nil : "frame \(number) of \(frame.count) bytes came back as \(length - 12) others"
  }

  /// The number of a frame of ours behind its header.
  private static func number(of bytes: ArraySlice<UInt8>) -> UInt32? {
    guard bytes.count >= 12 + 18, bytes[24] == 0x88, bytes[25] == 0xb5 else { return nil }
    return (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[26 + $1]) << (8 * UInt32($1)) }
  }

  /// A buffer to receive a frame into, with room for any.
  private func room(_ byteCount: Int) -> SubjectRequest {
    SubjectRequest(
      readable: [], readableCut: [], writableCut: [byteCount],
      check: { bytes in
        guard let number = Self.number(of: bytes[...]), let frame = self.sent[number] else {
          return "what was received is no frame that was sent: \(bytes.prefix(32))"
        }
        return bytes[12..<12 + frame.count].elementsEqual(frame) ? nil : "frame \(number) came back with other bytes"
      },
      writtenAtLeast: { bytes in Self.number(of: bytes[...]).flatMap { self.sent[$0] }.map { 12 + $0.count } ?? 0 })
  }

  private func random(_ byteCount: Int) -> SubjectRequest {
    SubjectRequest(
      readable: [], readableCut: [], writableCut: [byteCount],
      check: { bytes in
        bytes.count >= 16 && bytes.allSatisfy { $0 == Self.poison } ? "no byte of \(bytes.count) was written" : nil
      },
      writtenAtLeast: { bytes in
        // A random byte may be the poison; four of them at the end are taken to be what was there before.
        let last = (bytes.lastIndex { $0 != Self.poison } ?? -1) + 1
        return bytes.count - last < 4 ? bytes.count : last
      })
  }

  /// Requests whose answers are shorter than the room for them, and what each is.
  func oddRequests() -> [(name: String, request: SubjectRequest)] {
    guard kind == .block else { return [] }
    let statusOnly = SubjectRequest(
      readable: Self.header(type: 0x7f, sector: 0), readableCut: [16], writableCut: [1], check: { _ in nil },
      writtenAtLeast: { $0[0] == Self.poison ? 0 : 1 })
    let beyond = UInt64(limits?.sectorCount ?? 0)
    let count = blockByteCount
    // Poison that is left in front of the status was not written.
    let written: ([UInt8]) -> Int = { bytes in
      let left = bytes.dropLast().firstIndex { $0 == Self.poison } ?? bytes.count
      return bytes.dropLast().allSatisfy { $0 == Self.poison } ? 0 : left
    }
    return [
      ("a request of an unknown type", statusOnly),
      (
        "a read behind the end of the disk",
        SubjectRequest(
          readable: Self.header(type: 0, sector: beyond), readableCut: [16], writableCut: [count, 1],
          check: { $0[count] == 0 ? "it has the status 0" : nil }, writtenAtLeast: written)
      ),
    ]
  }
}

internal import Glibc
package import RingKit
internal import RingKitTesting
internal import Testing

/// A guest whose private memory holds sentinels wherever no buffer lies, and an account of what its device may see.
package struct SentinelGuest {
  /// Which way buffers go.
  package enum Mix: String, CaseIterable, Sendable {
    case readable
    case writable
    case both
  }

  /// Stands in private memory beside every buffer; no buffer and no device has it.
  package static let sentinel: UInt8 = 0xa5

  package let memory: GuestMemory
  package let hidden: GuestBuffer
  package let shared: GuestBuffer

  package init(sharedByteCount: Int) throws {
    hidden = GuestBuffer(
      whole: try MemoryRegion(at: GuestPhysicalAddress(1 << 32), byteCount: 1 << 16, isShared: false))
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: (sharedByteCount + 4095) & ~4095)
    shared = GuestBuffer(whole: region).slice(at: 0, byteCount: sharedByteCount)
    memory = try GuestMemory([hidden.region, region])
    unsafe hidden.bytes.initializeMemory(as: UInt8.self, repeating: Self.sentinel)
  }

  /// A buffer that the device has.
  private struct Lent<Mapping> {
    let mapping: Mapping
    let direction: DMADirection
    /// Where it lies in private memory.
    let range: Range<Int>
    /// Where the device has it; `nil` where it is not copied.
    let seen: Range<Int>?
    let bytes: [UInt8]
  }

  /// Maps and unmaps at random, slots used again and again, and looks through everything each time.
  package func exercise<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ mix: Mix, longest: Int, _ name: String, _ base: (Int) -> UInt64?
  ) throws {
    var random = SeededGenerator(for: "sentinels, \(name), \(mix.rawValue)")
    var view = copyOfShared()
    var lent: [Lent<Mapper.Mapping>] = []
    for round in 0..<600 {
      if lent.count < 6, lent.isEmpty || Bool.random(using: &random) {
        let direction: DMADirection =
          switch mix {
          case .readable: .deviceReadable
          case .writable: .deviceWritable
          case .both: Bool.random(using: &random) ? .deviceReadable : .deviceWritable
          }
        let new = try lend(&mapper, direction, longest, lent.map(\.range), base, &random)
        try compare(&view, "\(name), round \(round), map of \(new.range)") { at, byte in
          guard let seen = new.seen, seen.contains(at) else { return false }
          return byte == new.bytes[at - seen.lowerBound] || byte == 0 && new.direction == .deviceWritable
        }
        // The range itself, be it changed or not: of a former occupant there is nothing in what was lent.
        if let seen = new.seen {
          let found = Array(view[seen])
          let isOwn = found == new.bytes || new.direction == .deviceWritable && found.allSatisfy { $0 == 0 }
          try #require(isOwn, "\(name), round \(round): what was lent holds something else")
        }
        lent.append(new)
      } else {
        let old = lent.remove(at: Int.random(in: 0..<lent.count, using: &random))
        try takeBack(&mapper, old, &view, &random)
        try compare(&view, "\(name), round \(round), unmap of \(old.range)") { _, byte in byte == 0 }
      }
      try checkSentinels(lent.map(\.range), "\(name), round \(round)")
    }
    for old in lent {
      try takeBack(&mapper, old, &view, &random)
      try compare(&view, "\(name), at the end") { _, byte in byte == 0 }
    }
    try checkSentinels([], "\(name), at the end")
  }

  private func lend<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ direction: DMADirection, _ longest: Int, _ taken: [Range<Int>],
    _ base: (Int) -> UInt64?, _ random: inout SeededGenerator
  ) throws -> Lent<Mapper.Mapping> {
    var range: Range<Int>
    repeat {
      // Short ones more often, and any alignment.
      let length = Int.random(in: 1...(Bool.random(using: &random) ? 100 : longest), using: &random)
      let start = Int.random(in: 16..<(hidden.byteCount - length - 16), using: &random)
      range = start..<start + length
      // A sentinel at least between any two.
    } while taken.contains { range.lowerBound <= $0.upperBound && $0.lowerBound <= range.upperBound }
    let bytes = range.map { _ in UInt8.random(in: 1...0x7f, using: &random) }
    for (i, byte) in bytes.enumerated() { unsafe hidden.bytes[range.lowerBound + i] = byte }
    let (address, mapping) = try mapper.map(hidden.segment(at: range.lowerBound, length: range.count), direction)
    let seen = base(range.count).map { base in
      let start = Int(address.rawValue - base)
      return start..<start + range.count
    }
    return Lent(mapping: mapping, direction: direction, range: range, seen: seen, bytes: bytes)
  }

  /// The device writes less than it could, and says so: behind that the buffer is as it was.
  private func takeBack<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ old: Lent<Mapper.Mapping>, _ view: inout [UInt8], _ random: inout SeededGenerator
  ) throws {
    var written = 0
    if old.direction == .deviceWritable, let seen = old.seen {
      written = Int.random(in: 0...seen.count, using: &random)
      for at in seen.prefix(written) {
        unsafe shared.bytes[at] = 0x80
        view[at] = 0x80
      }
    }
    _ = try mapper.unmap(old.mapping, old.direction, written: UInt32(written))
    let found = unsafe Array(hidden.bytes[old.range])
    let expected = [UInt8](repeating: 0x80, count: written) + old.bytes.dropFirst(written)
    try #require(found == expected, "\(written) of \(old.range.count) bytes written, and the buffer holds others")
    // It is private memory like any other from now on.
    for at in old.range { unsafe hidden.bytes[at] = Self.sentinel }
  }

  /// Everything the device sees against what it saw before: what changed must be permitted, and is no sentinel.
  private func compare(_ view: inout [UInt8], _ what: String, _ mayBe: (Int, UInt8) -> Bool) throws {
    let leaks = unsafe memchr(shared.host.pointer, Int32(Self.sentinel), shared.byteCount) != nil
    try #require(!leaks, "\(what): a sentinel in shared memory")
    // By blocks, as a byte at a time takes minutes in a test's build.
    for start in stride(from: 0, to: shared.byteCount, by: 256) {
      let count = min(256, shared.byteCount - start)
      let isSame = unsafe view.withUnsafeBytes { bytes in
        unsafe bytes.baseAddress.map { unsafe memcmp($0 + start, shared.host.pointer + start, count) == 0 } ?? false
      }
      if isSame { continue }
      for at in start..<start + count {
        let byte = unsafe shared.bytes[at]
        if byte == view[at] { continue }
        try #require(mayBe(at, byte), "\(what): byte \(at) of shared memory became \(byte)")
        view[at] = byte
      }
    }
  }

  private func checkSentinels(_ taken: [Range<Int>], _ what: String) throws {
    var at = 0
    for range in taken.sorted(by: { $0.lowerBound < $1.lowerBound }) + [hidden.byteCount..<hidden.byteCount] {
      let count = range.lowerBound - at
      let start = unsafe hidden.host.pointer + at
      // The first is one, and each is like the next.
      let isIntact = unsafe hidden.bytes[at] == Self.sentinel && memcmp(start, start + 1, count - 1) == 0
      try #require(isIntact, "\(what): private memory beside the buffers was written")
      at = range.upperBound
    }
  }

  private func copyOfShared() -> [UInt8] { unsafe Array(shared.bytes) }
}

import FuzzSupport
import Glibc
import RingKit

/// A file of guest memory as its front-end has it mapped, of which the tables name parts; the rest holds sentinels.
struct FrontendMemory {
  /// A region of the table that most inputs send.
  struct Region {
    let guest: UInt64
    let user: UInt64
    let offset: UInt64
    let byteCount: UInt64
  }

  static let byteCount = 65_536
  static let userBase: UInt64 = 0x5000_0000_0000
  /// Neither ends with its page; the second does not begin with one.
  static let regions = [
    Region(guest: 0x10_0000, user: userBase, offset: 0x1000, byteCount: 0x7f80),
    Region(guest: 0x40_0000, user: userBase + 0x100_0000, offset: 0xa040, byteCount: 0x4000),
  ]

  private static let region = make(byteCount: byteCount)
  /// The file, and one that its owner can shrink.
  static let sealed = region.fileDescriptor ?? -1
  static let unsealed = makeUnsealed("/tmp", byteCount: byteCount)
  /// Where it is mapped here.
  static var base: UnsafeMutableRawPointer { region.hostBase.pointer }

  /// The memory that pages written are logged in; longer than any log that is named as it should be.
  private static let logRegion = make(byteCount: logByteCount)
  static let logByteCount = 16_384
  static var log: CInt { logRegion.fileDescriptor ?? -1 }

  /// Sentinels everywhere, requests in the regions.
  static func reset() {
    memset(base, Int32(FuzzGuest.sentinel), byteCount)
    memset(logRegion.hostBase.pointer, 0, logByteCount)
    for region in regions { memset(base + Int(region.offset), Int32(FuzzGuest.request), Int(region.byteCount)) }
  }

  /// What lies in none of the parts of the file that were ever named is as it was.
  static func checkSentinels(outside named: [Range<UInt64>]) {
    var at: UInt64 = 0
    let parts = (named + regions.map { $0.offset..<($0.offset + $0.byteCount) }).sorted {
      $0.lowerBound < $1.lowerBound
    }
    for part in parts + [UInt64(byteCount)..<UInt64(byteCount)] {
      if at < part.lowerBound {
        check(
          isFilled(base + Int(at), Int(part.lowerBound - at), FuzzGuest.sentinel),
          "something between \(at) and \(part.lowerBound) of the file, which no table names, changed")
      }
      at = max(at, part.upperBound)
    }
  }

  /// No bit is set outside the parts of the log's file that were ever named.
  static func checkLog(outside named: [Range<UInt64>]) {
    if isFilled(logRegion.hostBase.pointer, logByteCount, 0) { return }
    for at in 0..<logByteCount where logRegion.hostBase.pointer.load(fromByteOffset: at, as: UInt8.self) != 0 {
      check(named.contains { $0.contains(UInt64(at)) }, "byte \(at) of the log's file, which no message names, changed")
    }
  }

  /// Whether all bytes are the same as one.
  static func isFilled(_ start: UnsafeMutableRawPointer, _ count: Int, _ byte: UInt8) -> Bool {
    start.load(as: UInt8.self) == byte && memcmp(start, start + 1, count - 1) == 0
  }

  /// An anonymous file that cannot shrink, mapped.
  static func make(byteCount: Int) -> MemoryRegion {
    must { try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: byteCount) }
  }

  /// A file in a folder, without a name there any more.
  static func makeUnsealed(_ folder: String, byteCount: Int) -> CInt {
    var name = [CChar]("\(folder)/ringkit-fuzz-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    unlink(name)
    check(file >= 0 && ftruncate(file, off_t(byteCount)) == 0, "no file")
    return file
  }
}

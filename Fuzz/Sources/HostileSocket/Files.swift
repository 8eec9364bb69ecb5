import FuzzSupport
import Glibc
import RingKit

/// Descriptors that come with a message: those that should, or others.
struct Files {
  let descriptors: [CInt]

  static let none = Files([])

  /// So many of memory as it is passed: 64 KiB that cannot shrink.
  static func sealed(_ count: Int) -> Files { Files([CInt](repeating: descriptor(whole), count: count)) }

  /// As a byte has it: mostly what is expected.
  init(_ choice: UInt8, or expected: Files) {
    switch choice & 15 {
    case 8: self.init([])
    case 9: self = .sealed(Int(choice >> 4))
    case 10: self.init([Self.descriptor(Self.short)])
    case 11: self.init([Self.unsealed])
    case 12: self.init([0])
    case 13: self.init([Self.descriptor(Self.whole), Self.descriptor(Self.short)])
    // More than any message carries.
    case 14: self = .sealed(32)
    case 15: self.init([Self.unsealed, Self.descriptor(Self.whole)])
    default: self = expected
    }
  }

  /// Writes into them what is there at the beginning of each input.
  static func reset() {
    _ = unsealed
    memset(short.hostBase.pointer, 0, short.byteCount)
    let start = whole.hostBase.pointer
    memset(start, 0, whole.byteCount)
    // A ring of eight with a buffer in it, so that there is something to serve: descriptor 0, available in a packed
    // ring...
    start.storeBytes(of: 0x4000_1000, as: UInt64.self)
    start.storeBytes(of: 64 | 0x80 << 48, toByteOffset: 8, as: UInt64.self)
    // ... and in a split one by the available ring at 0x100: index 1, entry 0.
    start.storeBytes(of: 1 << 16, toByteOffset: 0x100, as: UInt64.self)
  }

  private init(_ descriptors: [CInt]) { self.descriptors = descriptors }

  private static let whole = must { try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 65_536) }
  private static let short = must { try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096) }
  private static let unsealed = {
    var name = [CChar]("/tmp/ringkit-fuzz-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    unlink(name)
    check(file >= 0 && ftruncate(file, 65_536) == 0, "no file")
    return file
  }()

  private static func descriptor(_ region: MemoryRegion) -> CInt { region.fileDescriptor ?? -1 }
}

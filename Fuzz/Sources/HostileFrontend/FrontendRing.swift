import FuzzSupport
import Glibc

/// A driver's rings, laid out by the specification's text, and then otherwise: buffers that a device can serve, and
/// garbage.
struct FrontendRing {
  var size: UInt16 = 8
  var isPacked = false
  /// Split: the available index.
  ///
  /// Packed: the next descriptor.
  private var next: UInt16 = 0
  private var wrap = true
  /// Where it lies in the first region.
  let offset: UInt64

  init(index: Int) { offset = UInt64(index) * 0x1000 }

  /// Descriptors, what the driver writes, and what the device writes.
  var parts: [UInt64] { [offset, offset + 0x400, offset + 0x600] }

  mutating func begin(at base: UInt32) {
    next = isPacked ? UInt16(truncatingIfNeeded: base & 0x7fff) % max(size, 1) : UInt16(truncatingIfNeeded: base)
    wrap = base & 0x8000 != 0
  }

  private func at(_ part: Int, _ more: Int = 0) -> UnsafeMutableRawPointer {
    FrontendMemory.base + Int(FrontendMemory.regions[0].offset + parts[part]) + more
  }

  /// A chain of one to four descriptors; the first has a request's or a frame's header, the last of most is writable.
  mutating func offer(_ input: inout FuzzInput) {
    let choice = input.byte()
    let count = min(1 + Int(choice & 3), Int(size))
    let isIndirect = choice & 0xc0 == 0xc0
    // As long a frame as there is, or longer than any.
    let isBulk = choice & 0x30 == 0x30
    let start = next
    for i in 0..<count {
      var (address, length, isWritable) = part(i, of: count, &input)
      if isIndirect && i == 0 { (address, length, isWritable) = (table(count, &input), UInt32(16 * count), false) }
      if isBulk && i > 0 { (address, length, isWritable) = (FrontendMemory.regions[1].guest, 0x4000, false) }
      let isLast = i == count - 1 || isIndirect
      write(address, length, (isLast ? 0 : 1) | (isWritable ? 2 : 0) | (isIndirect ? 4 : 0))
      if isIndirect { break }
    }
    // The header: what kind of request, where; or how a frame is to be treated.
    let header = FrontendMemory.base + Int(FrontendMemory.regions[0].offset) + 0x4000
    header.storeBytes(of: UInt32([1, 0, 4, 8, 11, 13, 0, 1][input.below(8)]), as: UInt32.self)
    header.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
    let target = input.byte()
    // Of 32 sectors.
    let sectors: [UInt64] = [31, 30, 32, 33, .max, 1 << 55, 1 << 63, .max >> 9]
    header.storeBytes(
      of: target & 0x80 == 0 ? UInt64(target & 31) : sectors[Int(target & 7)], toByteOffset: 8, as: UInt64.self)
    if isPacked { return }
    at(1, 4 + 2 * Int(start % size)).storeBytes(of: start % size, as: UInt16.self)
    at(1, 2).storeBytes(of: start &+ 1, as: UInt16.self)
    next = start &+ 1
  }

  private func part(_ i: Int, of count: Int, _ input: inout FuzzInput) -> (UInt64, UInt32, Bool) {
    if i == 0 { return (FrontendMemory.regions[0].guest + 0x4000, 16, false) }
    let choice = input.byte()
    let second = FrontendMemory.regions[1]
    var address = second.guest + UInt64(choice & 7) * 0x200
    let length: UInt32 = [512, 1, 4096, 0x4000, 16, 1024, 0x4001, .max][Int(choice >> 3 & 7)]
    switch choice >> 6 {
    case 1: address = FrontendMemory.regions[0].guest + 0x5000
    case 2: address = [0, second.guest + second.byteCount - 1, 0x10_7f7f, .max - 15][Int(choice & 3)]
    default: break
    }
    if i == count - 1 { return (address, choice & 8 == 0 ? 1 : length, true) }
    return (address, length, choice >> 6 == 3)
  }

  /// An indirect table in the first region.
  private func table(_ count: Int, _ input: inout FuzzInput) -> UInt64 {
    let target = FrontendMemory.base + Int(FrontendMemory.regions[0].offset) + 0x6000
    for i in 0..<count {
      let (address, length, isWritable) = part(i, of: count, &input)
      target.storeBytes(of: address, toByteOffset: 16 * i, as: UInt64.self)
      target.storeBytes(of: length, toByteOffset: 16 * i + 8, as: UInt32.self)
      let flags: UInt16 = (i == count - 1 || isPacked ? 0 : 1) | (isWritable ? 2 : 0)
      target.storeBytes(
        of: isPacked ? UInt32(flags) << 16 : UInt32(flags) | UInt32(i + 1) << 16, toByteOffset: 16 * i + 12,
        as: UInt32.self)
    }
    return FrontendMemory.regions[0].guest + 0x6000
  }

  private mutating func write(_ address: UInt64, _ length: UInt32, _ flags: UInt16) {
    let slot = next % size
    let target = at(0, 16 * Int(slot))
    target.storeBytes(of: address, as: UInt64.self)
    target.storeBytes(of: length, toByteOffset: 8, as: UInt32.self)
    if isPacked {
      target.storeBytes(of: slot, toByteOffset: 12, as: UInt16.self)
      target.storeBytes(of: flags | (wrap ? 0x80 : 0x8000), toByteOffset: 14, as: UInt16.self)
      next = (slot + 1) % size
      if next == 0 { wrap.toggle() }
    } else {
      target.storeBytes(of: flags, toByteOffset: 12, as: UInt16.self)
      target.storeBytes(of: (slot + 1) % size, toByteOffset: 14, as: UInt16.self)
      next = next &+ 1
    }
  }

  /// Up to eight bytes of the ring become others.
  func spoil(_ input: inout FuzzInput) {
    let (part, kind) = (input.below(3), input.byte())
    let target = at(part, input.below(part == 0 ? 256 : 128) & ~1)
    switch kind & 3 {
    case 0: target.storeBytes(of: UInt16(kind >> 2), as: UInt16.self)
    case 1: target.storeBytes(of: input.word16(), as: UInt16.self)
    case 2: target.storeBytes(of: target.load(as: UInt16.self) &+ UInt16(kind >> 2), as: UInt16.self)
    default: for i in 0..<8 { target.storeBytes(of: input.byte(), toByteOffset: i, as: UInt8.self) }
    }
  }
}

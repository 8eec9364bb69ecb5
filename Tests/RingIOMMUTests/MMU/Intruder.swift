import RingKit

@testable import RingIOMMU

/// A device that uses what it was shown, and then what it was not.
enum Intruder {
  enum Trespass {
    case nowhere
    case readOnly
    case unmapped
    case neverMapped
  }

  static func run(_ trespass: Trespass) throws {
    let guest = try IOMMUFixture(pages: 16)
    let window = try MMUWindow(memory: guest.memory, byteCount: 64 * 4096)
    var mapper = MMUMapper(window: window, counter: NoWork())
    var device = MMUTranslator(window: window, counter: NoWork())
    let (out, _) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    let (into, mapping) = try mapper.map(guest.segment(4096, 64), .deviceWritable)
    let read = try device.translate(out, byteCount: 64, for: .deviceReadable).host
    let written = try device.translate(into, byteCount: 64, for: .deviceWritable).host
    unsafe written.pointer.storeBytes(of: read.pointer.load(as: UInt8.self), as: UInt8.self)
    // It goes on with addresses that it asked for earlier, or never asked for: nothing checks them any more.
    switch trespass {
    case .nowhere: break
    case .readOnly: unsafe read.pointer.storeBytes(of: 1, as: UInt8.self)
    case .unmapped:
      try mapper.unmap(mapping, .deviceWritable)
      unsafe written.pointer.storeBytes(of: 1, as: UInt8.self)
    case .neverMapped: unsafe window.hostBase.pointer.storeBytes(of: 1, as: UInt8.self)
    }
  }
}

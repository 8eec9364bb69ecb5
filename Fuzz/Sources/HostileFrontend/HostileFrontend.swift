import FuzzSupport
import Glibc
import RingKit
import VhostUser

/// A vhost-user front-end that says anything, in any order, and writes anything to the memory it shares.
@_cdecl("LLVMFuzzerTestOneInput")
public func hostileFrontend(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(data, count)
  FrontendMemory.reset()
  Disk.reset()
  _ = FrontendMemory.unsealed
  let open = openDescriptorCount()
  do {
    let session = FrontendSession(&input)
    session.run(&input)
    session.peer.close()
    FrontendMemory.checkSentinels(outside: session.model.named)
    session.checkDisk()
  }
  check(openDescriptorCount() == open, "\(openDescriptorCount() - open) descriptors stay open")
  return 0
}

/// The file behind the disk.
enum Disk {
  static let byteCount = 16_384
  private static let region = FrontendMemory.make(byteCount: byteCount)
  static let file = region.fileDescriptor ?? -1
  static var content: UnsafeMutableRawPointer { region.hostBase.pointer }
  static func reset() { memset(content, 0x77, byteCount) }
}

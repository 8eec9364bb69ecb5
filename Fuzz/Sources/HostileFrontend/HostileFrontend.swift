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
    FrontendMemory.checkLog(outside: session.model.logged)
    session.checkDisk()
  }
  check(openDescriptorCount() == open, "\(openDescriptorCount() - open) descriptors stay open")
  return 0
}

/// The file behind the disk.
enum Disk {
  static let byteCount = 16_384
  /// One that grows when it is written beyond its end.
  static let file = FrontendMemory.makeUnsealed("/dev/shm", byteCount: byteCount)
  nonisolated(unsafe) static let content: UnsafeMutableRawPointer = {
    let at = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let at, at != MAP_FAILED else { fatalError("set-up: no disk") }
    return at
  }()
  static func reset() { memset(content, 0x77, byteCount) }
}

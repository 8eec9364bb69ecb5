import FuzzSupport
import Glibc
import RingKit
import VhostUser

/// A vhost-user back-end that answers anything, and asks for any translation.
@_cdecl("LLVMFuzzerTestOneInput")
public func hostileBackend(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(data, count)
  _ = (guest, BackendPeer.notes)
  let open = openDescriptorCount()
  do {
    let session = BackendSession(guest.memory, &input)
    session.run(&input)
  }
  check(openDescriptorCount() == open, "\(openDescriptorCount() - open) descriptors stay open")
  return 0
}

private let guest = FuzzGuest(isBouncing: false)

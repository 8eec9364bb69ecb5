import Glibc
import RingKit

/// Descriptors that are open among the first 256: one that stays open shows at any number, not only at the lowest free
/// one.
public func openDescriptorCount() -> Int {
  _ = firstRing
  return openDescriptorsNow()
}

/// The first ring of a peer's doorbell opens a descriptor that the process keeps.
private let firstRing: Void = { if let bell = try? EventDoorbell.forPeer() { bell.ring() } }()

private func openDescriptorsNow() -> Int {
  withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 256) { entries in
    for i in entries.indices { entries[i] = pollfd(fd: CInt(i), events: 0, revents: 0) }
    _ = poll(entries.baseAddress, nfds_t(entries.count), 0)
    return entries.count { $0.revents & Int16(POLLNVAL) == 0 }
  }
}

/// Sends bytes with descriptors beside them, as <sys/socket.h> lays them out: nothing of the library's is used.
public func sendRaw(_ socket: CInt, _ bytes: [UInt8], _ descriptors: [CInt]) {
  var bytes = bytes
  // Length, level and kind, then the descriptors, in whole words.
  var control = [UInt64](repeating: 0, count: 2 + (descriptors.count + 1) / 2)
  control[0] = UInt64(16 + 4 * descriptors.count)
  control[1] = UInt64(SOL_SOCKET) | UInt64(SCM_RIGHTS) << 32
  for (i, descriptor) in descriptors.enumerated() {
    control[2 + i / 2] |= UInt64(UInt32(bitPattern: descriptor)) << UInt64(32 * (i % 2))
  }
  bytes.withUnsafeMutableBytes { bytes in
    control.withUnsafeMutableBytes { control in
      var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      withUnsafeMutablePointer(to: &part) { part in
        var header = msghdr()
        (header.msg_iov, header.msg_iovlen) = (part, 1)
        if !descriptors.isEmpty { (header.msg_control, header.msg_controllen) = (control.baseAddress, control.count) }
        // One that has closed its end gets nothing.
        _ = sendmsg(socket, &header, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
    }
  }
}

/// Takes what waits in a socket, and the descriptors beside it; `nil` when nothing does or the other end is gone.
public func receiveRaw(_ socket: CInt) -> (bytes: [UInt8], descriptors: [CInt])? {
  var bytes = [UInt8](repeating: 0, count: 4096)
  var control = [UInt64](repeating: 0, count: 64)
  let found: (Int, Int) = bytes.withUnsafeMutableBytes { bytes in
    control.withUnsafeMutableBytes { control in
      var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      return withUnsafeMutablePointer(to: &part) { part in
        var header = msghdr()
        (header.msg_iov, header.msg_iovlen) = (part, 1)
        (header.msg_control, header.msg_controllen) = (control.baseAddress, control.count)
        let count = recvmsg(socket, &header, CInt(MSG_DONTWAIT))
        return (count, Int(header.msg_controllen))
      }
    }
  }
  if found.0 <= 0 { return nil }
  var descriptors: [CInt] = []
  if found.1 >= 16 {
    for i in 0..<(Int(control[0]) - 16) / 4 {
      descriptors.append(CInt(bitPattern: UInt32(truncatingIfNeeded: control[2 + i / 2] >> UInt64(32 * (i % 2)))))
    }
  }
  return (Array(bytes.prefix(found.0)), descriptors)
}

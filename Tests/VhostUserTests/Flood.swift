import Glibc
import RingKitTesting

@testable import VhostUser

/// Sends the same message again and again, as fast as the socket takes it, until it is told to stop or the peer is
/// gone.
func flood(_ descriptor: Int32, with message: VhostUserMessage, until stop: StopFlag) -> TestThread {
  let one = message.headerBytes + message.payload
  let bytes = (0..<1000).flatMap { _ in one }
  return TestThread {
    var at = 0
    while !stop.isRaised {
      let sent = unsafe bytes.withUnsafeBytes { all in
        unsafe send(descriptor, all.baseAddress?.advanced(by: at), all.count - at, Int32(MSG_NOSIGNAL))
      }
      if sent < 0 && errno != EAGAIN { return }
      at = (at + max(sent, 0)) % bytes.count
    }
  }
}

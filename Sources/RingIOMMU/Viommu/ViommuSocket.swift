internal import CRing
internal import RingKit

/// One end of a connection between a device's address space and the process that holds its translations.
///
/// A Unix socket that carries whole messages. Used by one thread at a time; closed with the last reference.
package final class ViommuSocket: @unchecked Sendable {
  /// The descriptor, for passing to another process; -1 once it is closed.
  package private(set) var fileDescriptor: Int32

  /// Takes over a connected SOCK_SEQPACKET socket, such as one that was inherited.
  package init(attaching fileDescriptor: Int32) { self.fileDescriptor = fileDescriptor }

  deinit { close() }

  /// Two ends of a new connection.
  ///
  /// - Throws: ``ViommuFailure/system(errno:)`` when the process has no descriptor left.
  package static func pair() throws(ViommuFailure) -> (ViommuSocket, ViommuSocket) {
    var made: (Int32, Int32) = (-1, -1)
    let error = unsafe withUnsafeMutablePointer(to: &made) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe cring_channel_pair($0) }
    }
    guard error == 0 else { throw .system(errno: error) }
    return (ViommuSocket(attaching: made.0), ViommuSocket(attaching: made.1))
  }

  /// Closes it; the other end learns of it.
  package func close() {
    if fileDescriptor >= 0 { cring_channel_close(fileDescriptor) }
    fileDescriptor = -1
  }

  /// Lets later calls wait that long and no longer; 0 for ever.
  func setTimeout(nanoseconds: UInt64) -> Int32 { cring_channel_set_timeout(fileDescriptor, nanoseconds) }

  /// Sends the bytes of a value as one message; 0 or an errno, CRING_CHANNEL_TIMED_OUT when the other end does not
  /// read.
  func send<Words: BitwiseCopyable>(_ words: Words, waits: Bool = true) -> Int32 {
    unsafe withUnsafeBytes(of: words) { unsafe cring_channel_send(fileDescriptor, $0.baseAddress, $0.count, waits) }
  }

  /// Receives one message into a value; 0 or an errno, and the length it was sent with, which is 0 at the end.
  func receive<Words: BitwiseCopyable>(_ words: inout Words) -> (error: Int32, byteCount: Int) {
    var count = 0
    let error = unsafe withUnsafeMutableBytes(of: &words) {
      unsafe cring_channel_receive(fileDescriptor, $0.baseAddress, $0.count, &count)
    }
    return (error, count)
  }
}

import BenchHarness
import CRing
import RingIOMMU
import RingKit
import VhostUser

/// Where a back-end is found, at the beginning or in the place of one that is gone.
package struct DriveAddress: Sendable {
  package let socket: String
  /// Whether the back-end connects to us.
  package let listens: Bool

  package init(socket: String, listens: Bool) {
    self.socket = socket
    self.listens = listens
  }

  // A back-end that is started again needs some milliseconds for it.
  private static let pause: Int32 = 10

  /// A connection; `nil` when no back-end connected in time.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``, when nobody waits at the socket among other things.
  package func connect(milliseconds: Int) throws(VhostUserError) -> VhostUserConnection? {
    guard listens else { return try VhostUserConnection(connectingTo: socket) }
    let listener = try VhostUserListener(at: socket)
    var set = PollSet()
    set.add(listener.fileDescriptor)
    guard try set.wait(milliseconds: Int32(clamping: milliseconds)) else { return nil }
    return try listener.accept()
  }

  /// A connection to whoever is there first; `nil` when nobody was until the deadline.
  package func connectAgain(until deadline: UInt64) throws(VhostUserError) -> VhostUserConnection? {
    while true {
      let now = cring_nanoseconds()
      guard now < deadline else { return nil }
      do throws(VhostUserError) {
        if let connection = try connect(milliseconds: Int((deadline - now) / 1_000_000) + 1) { return connection }
      } catch {
        // Nobody waits there, or nothing is there yet.
        guard case .system = error, !listens else { throw error }
      }
      var nothing = PollSet()
      nothing.add(-1)
      _ = try nothing.wait(milliseconds: Self.pause)
    }
  }
}

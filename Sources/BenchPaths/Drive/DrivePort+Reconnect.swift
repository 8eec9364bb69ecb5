import BenchHarness
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

extension DrivePort {
  /// Whether the back-end is gone and a successor is to go on.
  package var isLost: Bool { succession != nil && frontend.hasLostBackend }

  /// Whether the rings stay as they are for a successor, which finds noted what is in flight.
  package var hasNotes: Bool { succession?.hasNotes ?? false }

  /// Waits for a successor and hands it the vrings.
  ///
  /// - Parameter positions: of each vring where to go on; `nil` for one that was made new.
  /// - Returns: false when it is gone as well.
  /// - Throws: when nobody came in time, or what came cannot go on.
  package func resume(_ positions: [UInt16?]) throws(DriveFailure) -> Bool {
    guard let succession else { preconditionFailure("a run without --reconnect ends with its back-end") }
    let since = lostSince ?? cring_nanoseconds()
    lostSince = since
    let connection: VhostUserConnection?
    do throws(VhostUserError) {
      connection = try succession.address.connectAgain(until: since + timeout)
    } catch { throw .session(.connection(error)) }
    guard let connection else { throw .noSuccessor(milliseconds: Int(timeout / 1_000_000)) }
    var isSame = true
    let byteCount = succession.config.count
    do throws(FrontendError) {
      try frontend.reconnect(connection)
      let config = byteCount == 0 ? [] : try frontend.config(offset: 0, byteCount: byteCount)
      isSame = config == succession.config
      if isSame { for (vring, position) in positions.enumerated() { try frontend.resume(vring, at: position) } }
    } catch {
      if isLost { return false }
      throw .session(error)
    }
    guard isSame else { throw .otherDisk }
    // The last one may have taken the kick and died.
    for kick in kicks { kick.ring() }
    lostSince = nil
    try progress()
    return true
  }
}

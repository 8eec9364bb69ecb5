import BenchHarness
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a load needs of the connection: doorbells, the front-end's service, and sleep.
///
/// One thread's.
package final class DrivePort {
  package let frontend: VhostUserFrontend
  package let kicks: [EventDoorbell]
  package let calls: [EventDoorbell]
  /// Who goes on for a back-end that is gone; `nil`: nobody, and the run ends with it.
  package let succession: DriveSuccession?
  /// When the back-end was found gone, until a successor serves.
  package var lostSince: UInt64?
  package let timeout: UInt64
  /// Times the driver slept until something came.
  package private(set) var sleeps: UInt64 = 0
  private var busyTurns = 0
  private var lastProgress = cring_nanoseconds()

  // Some 50 µs of looking before the CPU is given away: the device may need it.
  private static let spins = 2000

  package init(
    _ frontend: VhostUserFrontend, queues: Int, timeoutMilliseconds: Int, succession: DriveSuccession?
  ) throws(MemoryError) {
    self.frontend = frontend
    self.succession = succession
    var doorbells: [EventDoorbell] = []
    for _ in 0..<2 * queues { doorbells.append(try EventDoorbell()) }
    kicks = Array(doorbells.prefix(queues))
    calls = Array(doorbells.dropFirst(queues))
    timeout = UInt64(timeoutMilliseconds) * 1_000_000
  }

  /// Answers what the back-end asks; nothing of one whose successor is waited for.
  package func service() throws(DriveFailure) {
    if isLost { return }
    do throws(FrontendError) { try frontend.service() } catch { if !isLost { throw .session(error) } }
  }

  /// Something came back; a device that translates may ask for more all the same.
  package func progress() throws(DriveFailure) {
    lastProgress = cring_nanoseconds()
    busyTurns &+= 1
    if busyTurns & 15 == 0, frontend.features.contains(.accessPlatform) { try service() }
  }

  /// Whether it is time to sleep, after so many turns in which nothing came.
  package func isTired(_ turns: Int) throws(DriveFailure) -> Bool {
    if turns & 63 == 0 { try service() }
    guard turns > Self.spins else {
      cring_spin_hint()
      return false
    }
    return true
  }

  /// Sleeps until the device rings, the back-end asks, or the time is up.
  package func sleep(milliseconds: Int32, done: Int, of total: Int) throws(DriveFailure) {
    let now = cring_nanoseconds()
    if now > lastProgress, now - lastProgress > timeout {
      throw .stalled(done: done, of: total, milliseconds: Int(timeout / 1_000_000))
    }
    var set = PollSet()
    for call in calls { set.add(call.fileDescriptor) }
    for descriptor in frontend.fileDescriptors { set.add(descriptor) }
    do throws(VhostUserError) { _ = try set.wait(milliseconds: milliseconds) } catch {
      throw .session(.connection(error))
    }
    sleeps &+= 1
    for call in calls { _ = call.take() }
    try service()
  }

  /// Why a queue failed: when the session is over, because of that.
  package func reason(_ error: QueueError) -> DriveFailure {
    if let failure = frontend.failure { return .session(failure) }
    return .queue(error)
  }

  /// Stops a vring; how far the device has come: an available index, or offset and wrap counter.
  ///
  /// - Returns: `nil` when the back-end is gone and has a successor.
  package func stop(_ vring: Int) throws(DriveFailure) -> UInt16? {
    if isLost { return nil }
    do throws(FrontendError) { return UInt16(truncatingIfNeeded: try frontend.stop(vring)) } catch {
      if isLost { return nil }
      throw .session(error)
    }
  }
}

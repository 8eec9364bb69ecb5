import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a load needs of the connection: doorbells, the front-end's service, and sleep.
///
/// One thread's.
package final class DrivePort {
  let frontend: VhostUserFrontend
  let kicks: [EventDoorbell]
  let calls: [EventDoorbell]
  /// The successor of a back-end that is gone; `nil`: none, and the run ends with it.
  let succession: DriveSuccession?
  /// When the back-end was found gone, until a successor serves.
  var lostSince: UInt64?
  let timeout: UInt64
  /// Times the driver slept until something came.
  package private(set) var sleeps: UInt64 = 0
  private var busyTurns = 0
  private var lastProgress = cring_nanoseconds()
  private let interruption: Interruption

  // Some 50 µs of looking before the CPU is given away: the device may need it.
  private static let spins = 2000

  package init(
    _ frontend: VhostUserFrontend, queues: Int, timeoutMilliseconds: Int, succession: DriveSuccession?,
    interruption: Interruption = Interruption()
  ) throws(MemoryError) {
    self.frontend = frontend
    self.interruption = interruption
    self.succession = succession
    var doorbells: [EventDoorbell] = []
    for _ in 0..<2 * queues { doorbells.append(try .forPeer()) }
    kicks = Array(doorbells.prefix(queues))
    calls = Array(doorbells.dropFirst(queues))
    timeout = UInt64(timeoutMilliseconds) * 1_000_000
  }

  /// Answers what the back-end asks; nothing of one whose successor is waited for.
  func service() throws(DriveFailure) {
    if isLost { return }
    do throws(FrontendError) { try frontend.service() } catch { if !isLost { throw .session(error) } }
  }

  /// Something came back; a device that translates may ask for more all the same.
  func progress() throws(DriveFailure) {
    lastProgress = cring_nanoseconds()
    busyTurns &+= 1
    if busyTurns & 15 == 0, frontend.features.contains(.accessPlatform) { try service() }
  }

  /// Ends the run when it was told to end, and the device had time to complete what is outstanding.
  func checkInterruption() throws(DriveFailure) {
    if interruption.isOver() { throw .interrupted }
  }

  /// Whether it is time to sleep, after so many turns in which nothing came that is counted.
  ///
  /// - Throws: ``DriveFailure/stalled(done:of:milliseconds:)`` also while a device keeps on sending what is not.
  func isTired(_ turns: Int, done: Int, of total: Int) throws(DriveFailure) -> Bool {
    if turns & 63 == 0 { try service() }
    guard turns > Self.spins else {
      cring_spin_hint()
      return false
    }
    let now = cring_nanoseconds()
    if now > lastProgress, now - lastProgress > timeout {
      // Why nothing comes, where the device can say so.
      do throws(FrontendError) { try frontend.checkStatus() } catch { throw .session(error) }
      throw .stalled(done: done, of: total, milliseconds: Int(timeout / 1_000_000))
    }
    return true
  }

  /// Sleeps until the device rings, the back-end asks, or the time is up.
  func sleep(milliseconds: Int32) throws(DriveFailure) {
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
  func reason(_ error: QueueError) -> DriveFailure {
    // Memory that was taken away reads as zeros, which look like a device's mistake.
    do throws(FrontendError) { try frontend.checkMemory() } catch { return .session(error) }
    return .queue(error)
  }

  /// Stops a vring; how far the device has come: an available index, or offset and wrap counter.
  ///
  /// - Returns: `nil` when the back-end is gone and has a successor.
  func stop(_ vring: Int) throws(DriveFailure) -> UInt16? {
    if isLost { return nil }
    do throws(FrontendError) { return UInt16(truncatingIfNeeded: try frontend.stop(vring)) } catch {
      if isLost { return nil }
      throw .session(error)
    }
  }
}

extension DrivePort {
  /// Whether the back-end is gone and a successor is to go on.
  var isLost: Bool { succession != nil && frontend.hasLostBackend }

  /// Whether the rings stay as they are for a successor, which finds noted what is in flight.
  package var hasNotes: Bool { succession?.hasNotes ?? false }

  /// Waits for a successor and hands it the vrings.
  ///
  /// - Parameter positions: of each vring where to go on; `nil` for one that was made new.
  /// - Returns: false when it is gone as well.
  /// - Throws: when no successor came in time, or it cannot go on.
  func resume(_ positions: [UInt16?]) throws(DriveFailure) -> Bool {
    guard let succession else { preconditionFailure("a run without --reconnect ends with its back-end") }
    let since = lostSince ?? cring_nanoseconds()
    lostSince = since
    let connection: VhostUserConnection?
    do throws(VhostUserError) {
      connection = try succession.address.connectAgain(until: since + timeout)
    } catch { throw .session(.connection(error)) }
    guard let connection else {
      throw Interrupt.isRequested ? .interrupted : .noSuccessor(milliseconds: Int(timeout / 1_000_000))
    }
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

/// How long a run may go on that was told to end: as long as a device takes that is well, and no longer.
package final class Interruption {
  private static let patience: UInt64 = 400_000_000
  private var since: UInt64?

  package init() {}

  /// Whether it was told to end, and that is a while ago.
  package func isOver() -> Bool {
    guard Interrupt.isRequested else { return false }
    let now = cring_nanoseconds()
    guard let since else {
      since = now
      return false
    }
    return now > since && now - since > Self.patience
  }
}

/// How a back-end that is gone is replaced.
package struct DriveSuccession: Sendable {
  let address: DriveAddress
  /// Whether the back-end notes what is in flight in memory that its successor is handed.
  ///
  /// Without notes the driver adds again what it has outstanding.
  let hasNotes: Bool
  /// What a successor's configuration space has to say: the same disk; empty where it is not read.
  let config: [UInt8]

  package init(address: DriveAddress, hasNotes: Bool, config: [UInt8]) {
    self.address = address
    self.hasNotes = hasNotes
    self.config = config
  }
}

/// Where a back-end is found, at the beginning or after one that is gone.
package struct DriveAddress: Sendable {
  let socket: String
  /// Whether the back-end connects to us.
  let listens: Bool

  package init(socket: String, listens: Bool) {
    self.socket = socket
    self.listens = listens
  }

  // A back-end that is started again needs some milliseconds for it.
  private static let pause: Int32 = 10

  /// A connection; `nil` when no back-end connected in time.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``, for example when no process listens at the socket.
  package func connect(milliseconds: Int) throws(VhostUserError) -> VhostUserConnection? {
    guard listens else {
      return try VhostUserConnection(connectingTo: socket, timeout: milliseconds) { Interrupt.isRequested }
    }
    let deadline = cring_nanoseconds() + UInt64(milliseconds) * 1_000_000
    let listener = try VhostUserListener(at: socket)
    while !Interrupt.isRequested {
      let now = cring_nanoseconds()
      guard now < deadline else { break }
      var set = PollSet()
      set.add(listener.fileDescriptor)
      _ = try set.wait(milliseconds: Int32(clamping: (deadline - now) / 1_000_000 + 1))
      if let connection = try listener.accept() { return connection }
    }
    return nil
  }

  /// A connection to the first process that listens; `nil` when none did until the deadline.
  func connectAgain(until deadline: UInt64) throws(VhostUserError) -> VhostUserConnection? {
    while true {
      let now = cring_nanoseconds()
      guard now < deadline, !Interrupt.isRequested else { return nil }
      do throws(VhostUserError) {
        if let connection = try connect(milliseconds: Int((deadline - now) / 1_000_000) + 1) { return connection }
      } catch {
        // No process listens there, or the path does not exist yet.
        guard case .system = error, !listens else { throw error }
      }
      var nothing = PollSet()
      nothing.add(-1)
      _ = try nothing.wait(milliseconds: Self.pause)
    }
  }
}

import BenchPlan
import CRing
import RingKit
import VhostUser

/// A load for one kind of device: its queues, and what it sends.
protocol DriveLoad: ~Copyable {
  /// What it keeps whatever the device.
  var course: DriveCourse { get set }
  /// What its queues and their paths did.
  var work: WorkCounts { get }

  /// What has to be done before the time is taken.
  mutating func prepare() throws(DriveFailure)
  /// Sends and takes back up to the last request.
  mutating func drive(_ progress: Progress) throws(DriveFailure)
  /// Has the device stop, and takes the rings back.
  mutating func finish() throws(DriveFailure)
}

extension DriveLoad where Self: ~Copyable {
  /// The whole of it, up to the device's stop or to what went wrong.
  mutating func run(_ progress: Progress) -> DriveTally {
    var start = cring_nanoseconds()
    do throws(DriveFailure) {
      try prepare()
      start = cring_nanoseconds()
      try drive(progress)
      course.tally.nanoseconds = cring_nanoseconds() - start
      try finish()
    } catch {
      if course.tally.nanoseconds == 0 { course.tally.nanoseconds = cring_nanoseconds() - start }
      course.tally.end(error)
    }
    course.tally.latency = course.histogram.summary
    course.tally.work = work
    return course.tally
  }
}

/// How far a load has come.
struct DriveCourse: ~Copyable {
  let port: DrivePort
  /// How many requests have to come back.
  let requests: Int
  var tally = DriveTally()
  var histogram = LatencyHistogram()
  /// Looks in a row that found nothing.
  private var turns = 0

  init(_ port: DrivePort, requests: Int) {
    (self.port, self.requests) = (port, requests)
  }

  /// Whether there is more to do, and no signal came.
  mutating func goesOn() -> Bool {
    guard tally.requests < requests else { return false }
    tally.interrupted = Interrupt.isRequested
    return !tally.interrupted
  }

  func show(_ progress: Progress, _ noun: String) {
    progress.update(
      "\(NumberText.grouped(tally.requests)) of \(NumberText.grouped(requests)) \(noun)", done: tally.requests,
      of: requests)
  }

  /// Whether nothing came for so long that it is better to sleep.
  mutating func isIdle(hasProgress: Bool) throws(DriveFailure) -> Bool {
    turns = hasProgress ? 0 : turns + 1
    if hasProgress {
      try port.progress()
      return false
    }
    return try port.isTired(turns, done: tally.requests, of: requests)
  }

  /// Sleeps until the device notifies, unless something came meanwhile.
  func sleep<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(DriveFailure) {
    do throws(QueueError) { try queue.poll() } catch { throw port.reason(error) }
    if !queue.enableNotifications() { try port.sleep(milliseconds: 100) }
    queue.disableNotifications()
  }

  /// Hands the vrings to the back-end's successor; `outstanding` is what is in them.
  mutating func resume(_ positions: [UInt16?], outstanding: Int) throws(DriveFailure) {
    guard try port.resume(positions) else { return }
    turns = 0
    tally.reconnects += 1
    if port.hasNotes { tally.handedOver += outstanding } else { tally.resubmitted += outstanding }
  }
}

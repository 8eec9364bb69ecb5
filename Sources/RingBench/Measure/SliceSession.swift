import Glibc
import Synchronization

/// Starts the threads, shows how far they are, and brings back what they measured.
struct SliceSession {
  private let schedule: SliceSchedule

  init(_ schedule: SliceSchedule) { self.schedule = schedule }

  /// Runs the schedule to its end; its contenders are closed then.
  ///
  /// `title` stands in front of how far it is.
  func run(progress: Progress, title: String = "") throws(BenchError) -> SliceRun {
    let schedule = schedule
    var followers: [PinnedThread<SliceFailure?>] = []
    let driver: PinnedThread<SliceRun>
    do {
      for (role, cpu) in schedule.followers {
        followers.append(try PinnedThread(cpu: cpu) { SliceFollower(schedule: schedule, role: role).run() })
      }
      driver = try PinnedThread(cpu: schedule.driverCPU) {
        var leader = SliceLeader(schedule)
        return leader.lead()
      }
    } catch {
      schedule.gate.open(.finish)
      for follower in followers { _ = follower.join() }
      throw error
    }
    if progress.isShown { watch(driver, progress, title) }
    let run = driver.join()
    let failures = followers.compactMap { $0.join() }
    for contender in schedule.counted + schedule.timed { contender.close() }
    if let (label, failure) = run.failure {
      var cause = failure
      // Whoever only says that another failed is not the one to quote.
      if case .other = failure { cause = failures.first { if case .other = $0 { false } else { true } } ?? failure }
      throw .check("\(label): \(cause.text)")
    }
    return run
  }

  /// A quarter of a second apart the line is smooth enough, and the slices it disturbs are dropped as such.
  private func watch(_ driver: PinnedThread<SliceRun>, _ progress: Progress, _ title: String) {
    let total = schedule.rounds * schedule.timed.count
    while !driver.isFinished {
      let done = schedule.finished.load(ordering: .relaxed)
      progress.update(title + (done == 0 ? "counting and calibrating" : "slice \(done) of \(total)"))
      usleep(250_000)
    }
  }
}

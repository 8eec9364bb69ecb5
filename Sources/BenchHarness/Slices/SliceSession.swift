import Glibc
import Synchronization

/// Starts the threads, shows how far they are, and brings back what they measured.
package struct SliceSession {
  private let schedule: SliceSchedule
  private let finishDevice: () -> String?

  /// `finishDevice` waits for the end of a device in another process, and returns how it ended where that was wrong.
  package init(_ schedule: SliceSchedule, finishDevice: @escaping () -> String? = { nil }) {
    self.schedule = schedule
    self.finishDevice = finishDevice
  }

  /// Runs the schedule to its end; its cases are closed then.
  package func run(progress: Progress) throws(BenchError) -> SliceRun {
    let schedule = schedule
    var workers: [PinnedThread<SliceFailure?>] = []
    let driver: PinnedThread<SliceRun>
    do {
      for (role, cpu) in schedule.workers {
        workers.append(
          try PinnedThread(cpu: cpu) {
            DeviceWorker(peer: schedule.peers[0], answersProbes: role.answersProbes) {
              benchCase, barrier throws(SliceFailure) in try role.run(schedule.benchCase(benchCase), barrier)
            }.run()
          })
      }
      driver = try PinnedThread(cpu: schedule.driverCPU) {
        var driverWorker = DriverWorker(schedule)
        return driverWorker.lead()
      }
    } catch {
      for peer in schedule.peers { peer.barrier.rouse(.finish) }
      for worker in workers { _ = worker.join() }
      throw error
    }
    if progress.isShown { watch(driver, progress) }
    let run = driver.join()
    if let (label, failure) = run.failure, case .silent = failure, schedule.peers[0].barrier.isAbandoned {
      // A thread that does not end cannot be waited for, nor what it uses be let go; the program ends with this.
      throw .check("\(label): \(failure.text)")
    }
    let failures = workers.compactMap { $0.join() }
    // A process before what waits for it: what it could still reach is given up after it has ended.
    let deviceEnd = finishDevice()
    for benchCase in schedule.cases { benchCase.close() }
    if let (label, failure) = run.failure, !(run.interrupted && failure.isOfPeer) {
      var cause = failure.text
      switch failure {
      case .other:
        // A worker that only says that another one failed is not quoted.
        let first = failures.first { if case .other = $0 { false } else { true } }
        cause = first?.text ?? deviceEnd ?? cause
      case .deviceGone, .deviceUnreachable: cause = "\(deviceEnd ?? "the device is gone"), \(failure.text)"
      default: break
      }
      throw .check("\(label): \(cause)")
    }
    return run
  }

  /// A quarter of a second apart the line is smooth enough, and the slices it disturbs are dropped as such.
  private func watch(_ driver: PinnedThread<SliceRun>, _ progress: Progress) {
    while !driver.isFinished {
      let done = schedule.finished.load(ordering: .relaxed)
      let tuning = schedule.tuning.withLock { $0 }
      // More are planned while others than those before are still wanted: never fewer than there are.
      let total = max(done, schedule.planned.load(ordering: .relaxed))
      if let tuning {
        progress.update(tuning)
      } else if total == 0 {
        progress.update("counting and calibrating")
      } else {
        progress.update("slice \(done) of \(total)", done: done, of: total, deadline: schedule.deadline)
      }
      usleep(250_000)
    }
  }
}

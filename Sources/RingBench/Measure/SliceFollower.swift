import CRing
import Synchronization

/// A device's thread, or another driver's: does what the leading driver opens, until it says that it is over.
struct SliceFollower {
  let schedule: SliceSchedule
  let role: FollowerRole

  func run() -> SliceFailure? {
    var number: UInt64 = 0
    var failure: SliceFailure?
    var switches: UInt64 = 0
    while true {
      let (step, taken) = schedule.gate.take(after: number)
      number = taken
      switch step {
      case .finish:
        schedule.gate.finished()
        return failure
      case .probe:
        if case .device(lane: 0) = role { schedule.probe.pong() }
      case .slice(let contender):
        do throws(SliceFailure) {
          try run(schedule.contender(contender))
        } catch {
          failure = failure ?? error
          schedule.gate.fail()
        }
      }
      let now = cring_involuntary_switches()
      schedule.followerSwitches.wrappingAdd(now &- switches, ordering: .relaxed)
      switches = now
      schedule.gate.finished()
    }
  }

  private func run(_ contender: Contender) throws(SliceFailure) {
    switch role {
    case .device(0): try contender.runDevice(schedule.gate)
    case .device(let lane): try contender.lane(lane).runDevice(schedule.gate)
    case .driver(let lane):
      defer { schedule.gate.driverFinished() }
      do throws(SliceFailure) {
        _ = try contender.lane(lane).runDriver(schedule.gate.buffersEach, schedule.gate)
      } catch {
        // Before the leader is told that this driver is done.
        schedule.gate.fail()
        throw error
      }
    }
  }
}

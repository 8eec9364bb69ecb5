import CRing
import Synchronization

/// The device's thread: does what the driver's thread opens, until it says that it is over.
struct SliceFollower {
  let schedule: SliceSchedule

  func run() -> SliceFailure? {
    var number: UInt64 = 0
    var failure: SliceFailure?
    while true {
      let (step, taken) = schedule.gate.take(after: number)
      number = taken
      switch step {
      case .finish:
        schedule.gate.finished(number)
        return failure
      case .probe:
        schedule.probe.pong()
      case .slice(let contender):
        do throws(SliceFailure) {
          try schedule.contender(contender).runDevice(schedule.gate)
        } catch {
          failure = failure ?? error
          schedule.gate.fail()
        }
      }
      schedule.deviceSwitches.store(cring_involuntary_switches(), ordering: .relaxed)
      schedule.gate.finished(number)
    }
  }
}

import CRing

/// A device's thread, or another driver's: does what the leading driver opens, until it says that it is over.
package struct DeviceWorker {
  let peer: SlicePeer
  /// One of those that follow answers the probe.
  var answersProbes = true
  /// This worker's part in a slice of the case with this number.
  let body: (_ benchCase: Int, _ barrier: SliceBarrier) throws(SliceFailure) -> Void

  package init(
    peer: SlicePeer, answersProbes: Bool = true,
    body: @escaping (_ benchCase: Int, _ barrier: SliceBarrier) throws(SliceFailure) -> Void
  ) {
    self.peer = peer
    self.answersProbes = answersProbes
    self.body = body
  }

  /// Follows the barrier; `failed` is told of the first failure at once, and that is returned at the end.
  package func run(failed: (SliceFailure) -> Void = { _ in }) -> SliceFailure? {
    let barrier = peer.barrier
    var switches: UInt64 = 0
    var number: UInt64 = 0
    var failure: SliceFailure?
    while true {
      let (step, taken) = barrier.take(after: number)
      number = taken
      switch step {
      case .finish:
        barrier.finished()
        return failure
      case .probe: if answersProbes { peer.probe.pong() }
      case .park:
        barrier.finished()
        barrier.sleep(after: number)
        continue
      case .wake: break
      case .slice(let benchCase):
        do throws(SliceFailure) {
          try body(benchCase, barrier)
        } catch {
          if failure == nil { failed(error) }
          failure = failure ?? error
          barrier.fail()
        }
      }
      let now = cring_involuntary_switches()
      barrier.addSwitches(now &- switches)
      switches = now
      barrier.finished()
    }
  }
}

/// What a thread that follows the driver's lead does in a slice.
enum WorkerRole: Sendable {
  /// The device's end of a queue; that of queue 0 answers the probes too.
  case device(queue: Int)
  /// The driver's end of a queue other than the driver worker's own, which is 0.
  case driver(queue: Int)
}

extension WorkerRole {
  /// The part in a slice of a case.
  func run(_ benchCase: BenchCase, _ barrier: SliceBarrier) throws(SliceFailure) {
    switch self {
    case .device(0): try benchCase.runDevice(barrier)
    case .device(let queue):
      guard benchCase.hasQueue(queue) else { return }
      try benchCase.queue(queue).runDevice(barrier)
    case .driver(let queue):
      defer { barrier.driverFinished() }
      guard benchCase.hasQueue(queue) else { return }
      do throws(SliceFailure) {
        _ = try benchCase.queue(queue).runDriver(barrier.buffersEach, barrier)
      } catch {
        // Before the driver worker is told that this driver is done.
        barrier.fail()
        throw error
      }
    }
  }

  /// Whether it is the one that answers probes.
  var answersProbes: Bool { if case .device(queue: 0) = self { true } else { false } }
}

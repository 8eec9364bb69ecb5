import CRing

/// A device's thread, or another driver's: does what the leading driver opens, until it says that it is over.
package struct SliceFollower {
  package let peer: SlicePeer
  /// One of those that follow answers the probe.
  package var answersProbes = true
  /// This follower's part in a slice of the contender with this number.
  package let body: (_ contender: Int, _ gate: SliceGate) throws(SliceFailure) -> Void

  package init(
    peer: SlicePeer, answersProbes: Bool = true,
    body: @escaping (_ contender: Int, _ gate: SliceGate) throws(SliceFailure) -> Void
  ) {
    self.peer = peer
    self.answersProbes = answersProbes
    self.body = body
  }

  /// Follows the gate; `failed` is told of the first failure at once, and that is returned at the end.
  package func run(failed: (SliceFailure) -> Void = { _ in }) -> SliceFailure? {
    let gate = peer.gate
    var switches: UInt64 = 0
    var number: UInt64 = 0
    var failure: SliceFailure?
    while true {
      let (step, taken) = gate.take(after: number)
      number = taken
      switch step {
      case .finish:
        gate.finished()
        return failure
      case .probe: if answersProbes { peer.probe.pong() }
      case .park:
        gate.finished()
        gate.sleep(after: number)
        continue
      case .wake: break
      case .slice(let contender):
        do throws(SliceFailure) {
          try body(contender, gate)
        } catch {
          if failure == nil { failed(error) }
          failure = failure ?? error
          gate.fail()
        }
      }
      let now = cring_involuntary_switches()
      gate.addSwitches(now &- switches)
      switches = now
      gate.finished()
    }
  }
}

/// What a thread that follows the driver's lead does in a slice.
enum FollowerRole: Sendable {
  /// The device's end of a lane; that of lane 0 answers the probes too.
  case device(lane: Int)
  /// The driver's end of a lane other than the leader's own, which is 0.
  case driver(lane: Int)
}

extension FollowerRole {
  /// The part in a slice of a contender.
  func run(_ contender: Contender, _ gate: SliceGate) throws(SliceFailure) {
    switch self {
    case .device(0): try contender.runDevice(gate)
    case .device(let lane):
      guard contender.hasLane(lane) else { return }
      try contender.lane(lane).runDevice(gate)
    case .driver(let lane):
      defer { gate.driverFinished() }
      guard contender.hasLane(lane) else { return }
      do throws(SliceFailure) {
        _ = try contender.lane(lane).runDriver(gate.buffersEach, gate)
      } catch {
        // Before the leader is told that this driver is done.
        gate.fail()
        throw error
      }
    }
  }

  /// Whether it is the one that answers probes.
  var answersProbes: Bool { if case .device(lane: 0) = self { true } else { false } }
}

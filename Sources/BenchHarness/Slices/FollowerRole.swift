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

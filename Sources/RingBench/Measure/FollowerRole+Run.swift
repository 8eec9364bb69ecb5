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

/// What a thread that follows the driver's lead does in a slice.
enum FollowerRole: Sendable {
  /// The device's end of a lane; that of lane 0 answers the probes too.
  case device(lane: Int)
  /// The driver's end of a lane other than the leader's own, which is 0.
  case driver(lane: Int)
}

/// What became of a frame.
struct NetFrame: Sendable {
  var number: UInt64 = 0
  /// In cycles.
  var firstSent: UInt64 = 0
  var lastSent: UInt64 = 0
  /// It has not come back.
  var isWaiting = false
  /// The device has not taken it.
  var isInQueue = false
}

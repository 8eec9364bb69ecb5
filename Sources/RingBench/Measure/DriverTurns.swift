/// The driver's end of one queue a turn at a time, for a thread that has several queues to look after.
///
/// Holds nothing of the device's end, which goes first when a contender is closed.
struct DriverTurns {
  /// So many more buffers are to come back.
  let begin: (_ count: Int) -> Void
  /// Takes back what is there and tops the ring up; returns how many came back.
  let turn: () throws(SliceFailure) -> Int
  /// Does what is due although nothing came back.
  let poll: () throws(SliceFailure) -> Void
}

/// What came of one simulated run.
struct SimulationResult: Equatable, Sendable {
  let cpus: Int
  /// Finished within the time.
  let operations: Int
  /// Of virtual time.
  let nanoseconds: Double
  /// Of all CPUs' time, 0 to 1: waiting for a lock that another held.
  let lockWaitShare: Double
  /// Waiting for the unit, its own work on the request included.
  let unitWaitShare: Double

  var operationsPerSecond: Double { Double(operations) / nanoseconds * 1e9 }
}

/// What came of one simulated run.
package struct SimulationResult: Equatable, Sendable {
  package let cpus: Int
  /// Finished within the time.
  package let operations: Int
  /// Of virtual time.
  package let nanoseconds: Double
  /// Of all CPUs' time, 0 to 1: waiting for a lock that another held.
  package let lockWaitShare: Double
  /// Waiting for the unit, its own work on the request included.
  package let unitWaitShare: Double

  package var operationsPerSecond: Double { Double(operations) / nanoseconds * 1e9 }
}

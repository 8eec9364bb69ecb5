/// Where the CPUs of a run are, and what was taken from them since it began.
package struct CPUState: Sendable {
  /// Nanoseconds; negative when the probe was not answered.
  package var roundTrip: Double
  package var stolenTicks: UInt64 = 0
  package var involuntarySwitches: UInt64 = 0
}

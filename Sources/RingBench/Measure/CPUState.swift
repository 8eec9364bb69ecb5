/// Where the CPUs of a run are, and what was taken from them since it began.
struct CPUState: Sendable {
  /// Nanoseconds; negative when the probe was not answered.
  var roundTrip: Double
  var stolenTicks: UInt64 = 0
  var involuntarySwitches: UInt64 = 0
}

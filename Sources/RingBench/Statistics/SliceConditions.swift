/// What happened around one slice, on both CPUs together.
struct SliceConditions: Sendable, Equatable {
  /// Nanoseconds; negative when the probe was not answered.
  var roundTripBefore: Double
  var roundTripAfter: Double
  var stolenTicks: UInt64 = 0
  var involuntarySwitches: UInt64 = 0

  var roundTrip: Double { (roundTripBefore + roundTripAfter) / 2 }
}

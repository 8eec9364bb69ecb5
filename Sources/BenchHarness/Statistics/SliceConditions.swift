/// What happened around one slice, on both CPUs together.
package struct SliceConditions: Sendable, Equatable {
  /// Nanoseconds; negative when the probe was not answered.
  package var roundTripBefore: Double
  package var roundTripAfter: Double
  package var stolenTicks: UInt64 = 0
  package var involuntarySwitches: UInt64 = 0

  package var roundTrip: Double { (roundTripBefore + roundTripAfter) / 2 }
}

/// What every run in slices is asked for: where its threads are, how often and how long.
package protocol SliceSettings: Encodable {
  var driverCPU: Int { get set }
  var deviceCPU: Int { get set }
  var slices: Int { get set }
  var sliceMilliseconds: Double { get set }
  /// Seconds of the whole run, what is set up and calibrated included.
  var timeLimit: Double { get set }
  var seed: UInt64 { get set }
}

extension SliceSettings {
  /// Takes the settings of another run.
  package mutating func take(_ other: some SliceSettings) {
    (driverCPU, deviceCPU, seed) = (other.driverCPU, other.deviceCPU, other.seed)
    (slices, sliceMilliseconds, timeLimit) = (other.slices, other.sliceMilliseconds, other.timeLimit)
  }
}

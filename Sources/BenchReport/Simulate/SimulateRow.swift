import BenchHarness
import BenchPaths

/// One prediction: a model on a number of CPUs.
package struct SimulateRow: Sendable {
  package let model: LockModel
  package let result: SimulationResult
  /// By what one CPU does.
  package let scaling: Double
  /// The most it can come to; `nil` where nothing is shared.
  package let saturation: Double?

  package init(model: LockModel, result: SimulationResult, scaling: Double, saturation: Double?) {
    self.model = model
    self.result = result
    self.scaling = scaling
    self.saturation = saturation
  }
}

extension SimulateRow: Encodable {
  private enum Key: String, CodingKey {
    case simulated, model, cpus, operationsPerSecond, nsPerOperation, scaling, saturation, lockWaitShare, unitWaitShare
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(true, forKey: .simulated)
    try values.encode(model, forKey: .model)
    try values.encode(result.cpus, forKey: .cpus)
    try values.encode(Rounded.value(result.operationsPerSecond), forKey: .operationsPerSecond)
    // Of one CPU, waiting included.
    try values.encode(
      result.operations == 0
        ? nil : Rounded.value(Double(result.cpus) * result.nanoseconds / Double(result.operations)),
      forKey: .nsPerOperation)
    try values.encode(Rounded.value(scaling), forKey: .scaling)
    try values.encode(saturation.map { Rounded.value($0) }, forKey: .saturation)
    try values.encode(Rounded.value(result.lockWaitShare), forKey: .lockWaitShare)
    try values.encode(Rounded.value(result.unitWaitShare), forKey: .unitWaitShare)
  }
}

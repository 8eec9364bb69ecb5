/// A prediction beside what real threads did at the same locks, in operations a second of all of them.
struct SimulateCheck: Sendable {
  let model: LockModel
  let cpus: Int
  let predicted: Double
  let measured: Double

  /// 1 is right; above it the simulation is too hopeful.
  var ratio: Double { measured > 0 ? predicted / measured : .infinity }
}

extension SimulateCheck: Encodable {
  private enum Key: String, CodingKey {
    case simulated, model, cpus, predictedOperationsPerSecond, measuredOperationsPerSecond, ratio
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    // The prediction is; what it is held against is not, and says so in its name.
    try values.encode(true, forKey: .simulated)
    try values.encode(model, forKey: .model)
    try values.encode(cpus, forKey: .cpus)
    try values.encode(Rounded.value(predicted), forKey: .predictedOperationsPerSecond)
    try values.encode(Rounded.value(measured), forKey: .measuredOperationsPerSecond)
    try values.encode(ratio.isFinite ? Rounded.value(ratio) : nil, forKey: .ratio)
  }
}

/// What a `simulate` run predicts: parsed, checked, free of the command line.
struct SimulateParameters: Encodable, Sendable {
  var models: [LockModel] = LockModel.allCases
  var cpus = [1, 2, 4, 8, 16, 32, 64, 128]
  /// Virtual time, in operations of one CPU alone.
  var operations = 2_000
  /// Costs that are not measured, in nanoseconds.
  var given: [Primitive: Double] = [:]
  var isChecked = false
  var driverCPU = 0
  /// `nil` on a machine of one CPU.
  var deviceCPU: Int?
  var seed: UInt64 = 1

  /// Whether any cost is left to be measured.
  var needsMeasuring: Bool { Primitive.allCases.contains { given[$0] == nil } }

  private enum CodingKeys: String, CodingKey {
    case models, cpus, operations
    case isChecked = "check"
    case driverCPU, deviceCPU, seed
  }
}

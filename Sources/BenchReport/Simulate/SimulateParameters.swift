import BenchHarness
import BenchPaths

/// What a `simulate` run predicts: parsed, checked, free of the command line.
package struct SimulateParameters: Encodable, Sendable {
  package var models: [LockModel] = LockModel.allCases
  package var cpus = [1, 2, 4, 8, 16, 32, 64, 128]
  /// Virtual time, in operations of one CPU alone.
  package var operations = 2_000
  /// Costs that are not measured, in nanoseconds.
  package var given: [Primitive: Double] = [:]
  package var isChecked = false
  package var driverCPU = 0
  /// `nil` on a machine of one CPU.
  package var deviceCPU: Int?
  package var seed: UInt64 = 1

  package init() {}

  /// Whether any cost is left to be measured.
  package var needsMeasuring: Bool { Primitive.allCases.contains { given[$0] == nil } }

  private enum CodingKeys: String, CodingKey {
    case models, cpus, operations
    case isChecked = "check"
    case driverCPU, deviceCPU, seed
  }
}

import BenchHarness
import BenchPaths

/// A prediction beside what real threads did at the same locks, in operations a second of all of them.
package struct SimulateCheck: Sendable {
  package let model: LockModel
  package let cpus: Int
  package let predicted: Double
  package let measured: Double
  /// 1 is right; above it the simulation is too hopeful.
  package let ratio: Double
  /// Nanoseconds of a line from CPU to CPU in the meantime; `nil` for one thread.
  package let transfer: Double?

  /// Medians of several runs, and of their ratios; `nil` without one that did something.
  package init?(model: LockModel, cpus: Int, samples: [LockSample], predicted: [Double]) {
    let pairs = zip(samples, predicted).filter { $0.0.operationsPerSecond > 0 }
    guard let ratio = Percentile.median(pairs.map { $0.1 / $0.0.operationsPerSecond }),
      let prediction = Percentile.median(pairs.map(\.1)),
      let measured = Percentile.median(pairs.map(\.0.operationsPerSecond))
    else { return nil }
    self.model = model
    self.cpus = cpus
    self.predicted = prediction
    self.measured = measured
    self.ratio = ratio
    transfer = cpus > 1 ? Percentile.median(pairs.map(\.0.transfer)) : nil
  }
}

extension SimulateCheck: Encodable {
  private enum Key: String, CodingKey {
    case simulated, model, cpus, predictedOperationsPerSecond, measuredOperationsPerSecond, ratio
    case lineTransferNs
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    // The prediction is; what it is held against is not, and says so in its name.
    try values.encode(true, forKey: .simulated)
    try values.encode(model, forKey: .model)
    try values.encode(cpus, forKey: .cpus)
    try values.encode(Rounded.value(predicted), forKey: .predictedOperationsPerSecond)
    try values.encode(Rounded.value(measured), forKey: .measuredOperationsPerSecond)
    try values.encode(Rounded.value(ratio), forKey: .ratio)
    try values.encodeIfPresent(transfer.map { Rounded.value($0) }, forKey: .lineTransferNs)
  }
}

import BenchHarness
import BenchPaths

/// Everything `ringbench cost` found.
package struct CostReport: Sendable {
  package let machine: Machine
  package let parameters: CostParameters
  package let rows: [CostRow]
  package let slicesDroppedBy: [DropReason: Int]
  /// Where ring and payload lay.
  package var memory: [MemoryPlacement] = []
  /// Where hybrid's threshold comes from; nothing when it was given or is not needed.
  package var hybridCalibration = HybridOutcome()
  /// Other programs ran on these CPUs so much that the slices they disturbed had to count.
  package var disturbed = false
  /// Ended by Ctrl-C: what is here is what there was by then.
  package let interrupted: Bool

  package init(
    machine: Machine, parameters: CostParameters, rows: [CostRow], slicesDroppedBy: [DropReason: Int],
    memory: [MemoryPlacement] = [], hybridCalibration: HybridOutcome = HybridOutcome(), disturbed: Bool = false,
    interrupted: Bool
  ) {
    self.machine = machine
    self.parameters = parameters
    self.rows = rows
    self.slicesDroppedBy = slicesDroppedBy
    self.memory = memory
    self.hybridCalibration = hybridCalibration
    self.disturbed = disturbed
    self.interrupted = interrupted
  }

  /// The class to show: the one with most slices.
  package var mainClass: PlacementClass? { PlacementClass.main(rows.map { ($0.placement, $0.slicesKept) }) }

  /// What kept the machine from holding still, for a run that kept nothing.
  package var unrest: String {
    switch slicesDroppedBy.max(by: { $0.value < $1.value })?.key {
    case .involuntarySwitch: "other programs want these CPUs; stop them, or name other CPUs"
    case .stolenTime: "the hypervisor gives these CPUs to others; try again, or shorter slices (--slice-ms)"
    case .placementChanged, .otherThreshold: "the CPUs moved during every slice; try shorter ones (--slice-ms)"
    case .probeFailed, nil: "the two CPUs did not answer each other"
    }
  }

  /// What must be said about hybrid's rows.
  package var hybridWarning: String? {
    hybridCalibration.warning(rows: rows.filter { $0.path == .hybrid }.map { ($0.ring, $0.placement) })
  }

  package var answer: String { mainClass.map { AnswerSentence.text(for: self, in: $0) } ?? AnswerSentence.nothing }
}

extension CostReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, memory, results, hybridCalibration, hybridUncalibrated, interrupted, disturbed,
      slicesDroppedBy
    case answer
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(1, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(memory, forKey: .memory)
    try values.encode(rows, forKey: .results)
    try values.encode(hybridCalibration.findings, forKey: .hybridCalibration)
    try values.encode(hybridCalibration.gaps, forKey: .hybridUncalibrated)
    try values.encode(disturbed, forKey: .disturbed)
    try values.encode(interrupted, forKey: .interrupted)
    try values.encode(DropReason.counts(slicesDroppedBy), forKey: .slicesDroppedBy)
    try values.encode(answer, forKey: .answer)
  }
}

import BenchHarness
import BenchPaths

/// Everything `ringbench ring` found.
package struct RingReport: Sendable {
  package let machine: Machine
  package let parameters: RingParameters
  package let rows: [RingRow]
  package let slicesDroppedBy: [DropReason: Int]
  /// Other programs ran on these CPUs so much that the slices they disturbed had to count.
  package var disturbed = false
  /// Ended by Ctrl-C: what is here is what there was by then.
  package let interrupted: Bool

  package init(
    machine: Machine, parameters: RingParameters, rows: [RingRow], slicesDroppedBy: [DropReason: Int],
    disturbed: Bool = false, interrupted: Bool
  ) {
    self.machine = machine
    self.parameters = parameters
    self.rows = rows
    self.slicesDroppedBy = slicesDroppedBy
    self.disturbed = disturbed
    self.interrupted = interrupted
  }

  /// The class to show: the one with most slices.
  package var mainClass: PlacementClass? { PlacementClass.main(rows.map { ($0.placement, $0.slicesKept) }) }
}

extension RingReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, results, interrupted, disturbed, slicesDroppedBy
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(1, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(rows, forKey: .results)
    try values.encode(disturbed, forKey: .disturbed)
    try values.encode(interrupted, forKey: .interrupted)
    try values.encode(DropReason.counts(slicesDroppedBy), forKey: .slicesDroppedBy)
  }
}

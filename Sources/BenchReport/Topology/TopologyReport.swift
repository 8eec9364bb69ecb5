import BenchHarness
import BenchPaths

/// Everything `ringbench topology` tells.
package struct TopologyReport: Encodable, Sendable {
  package let schema = 1
  package let machine: Machine
  /// `nil` on a machine with one CPU.
  package let roundTrip: RoundTripSummary?
  package let lacks: [String]

  package init(machine: Machine, roundTrip: RoundTripSummary?, lacks: [String]) {
    self.machine = machine
    self.roundTrip = roundTrip
    self.lacks = lacks
  }

  private enum CodingKeys: String, CodingKey {
    case schema, machine, roundTrip, lacks
  }
}

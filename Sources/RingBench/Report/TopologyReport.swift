/// Everything `ringbench topology` tells.
struct TopologyReport: Encodable, Sendable {
  let schema = 1
  let machine: Machine
  /// `nil` on a machine with one CPU.
  let roundTrip: RoundTripSummary?
  let lacks: [String]

  private enum CodingKeys: String, CodingKey {
    case schema, machine, roundTrip, lacks
  }
}

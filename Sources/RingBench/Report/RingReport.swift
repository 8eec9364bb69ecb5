/// Everything `ringbench ring` found.
struct RingReport: Sendable {
  let machine: Machine
  let parameters: RingParameters
  let rows: [RingRow]
  let slicesDroppedBy: [DropReason: Int]
  /// Other programs ran on these CPUs so much that the slices they disturbed had to count.
  var disturbed = false
  /// Ended by Ctrl-C: what is here is what there was by then.
  let interrupted: Bool

  /// The class to show: the one with most slices.
  var mainClass: PlacementClass? { PlacementClass.main(rows.map { ($0.placement, $0.slicesKept) }) }
}

extension RingReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, results, interrupted, disturbed, slicesDroppedBy
  }

  func encode(to encoder: any Encoder) throws {
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

/// Everything `ringbench cost` found.
struct CostReport: Sendable {
  let machine: Machine
  let parameters: CostParameters
  let rows: [CostRow]
  let slicesDroppedBy: [DropReason: Int]
  /// Ended by Ctrl-C: what is here is what there was by then.
  let interrupted: Bool

  /// The class with most slices; of classes within a tenth of it, `same-l3` where it is among them.
  var mainClass: PlacementClass? {
    var kept: [PlacementClass: Int] = [:]
    for row in rows { kept[row.placement, default: 0] += row.slicesKept }
    guard let most = kept.values.max() else { return nil }
    if let same = kept[.sameL3], same * 10 >= most * 9 { return .sameL3 }
    return PlacementClass.allCases.first { kept[$0] == most }
  }

  /// What kept the machine from holding still, for a run that kept nothing.
  var unrest: String {
    switch slicesDroppedBy.max(by: { $0.value < $1.value })?.key {
    case .involuntarySwitch: "other programs want these CPUs; stop them, or name other CPUs"
    case .stolenTime: "the hypervisor gives these CPUs to others; try again, or shorter slices (--slice-ms)"
    case .placementChanged: "the CPUs moved during every slice; try shorter ones (--slice-ms)"
    case .probeFailed, nil: "the two CPUs did not answer each other"
    }
  }

  var answer: String { mainClass.map { AnswerSentence.text(for: self, in: $0) } ?? AnswerSentence.nothing }
}

extension CostReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, results, interrupted, slicesDroppedBy, answer
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(1, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(rows, forKey: .results)
    try values.encode(interrupted, forKey: .interrupted)
    // Every reason is there, those that did not occur with 0.
    let reasons = DropReason.allCases.map { ($0.rawValue, slicesDroppedBy[$0] ?? 0) }
    try values.encode(Dictionary(uniqueKeysWithValues: reasons), forKey: .slicesDroppedBy)
    try values.encode(answer, forKey: .answer)
  }
}

/// Slices by contender and class, and why the others do not count.
struct SliceSorter {
  private var byContender: [[PlacementClass: [SliceRecord]]]
  private(set) var dropped: [Int]
  private(set) var reasons: [DropReason: Int] = [:]

  init(contenders: Int) {
    byContender = Array(repeating: [:], count: contenders)
    dropped = Array(repeating: 0, count: contenders)
  }

  mutating func add(_ record: SliceRecord, _ verdict: PlacementClassifier.Verdict) {
    switch verdict {
    case .kept(let placement): byContender[record.contender][placement, default: []].append(record)
    case .dropped(let reason):
      dropped[record.contender] += 1
      reasons[reason, default: 0] += 1
    }
  }

  func kept(_ contender: Int, _ placement: PlacementClass) -> [SliceRecord] {
    byContender[contender][placement] ?? []
  }

  /// Times of two contenders in the rounds in which both ran in that class.
  func pairs(
    _ contender: Int, with baseline: Int, _ placement: PlacementClass
  ) -> [(numerator: Double, denominator: Double)] {
    var times: [Int: Double] = [:]
    for record in kept(baseline, placement) { times[record.round] = record.nanosecondsPerBuffer }
    return kept(contender, placement).compactMap { record in
      times[record.round].map { (record.nanosecondsPerBuffer, $0) }
    }
  }
}

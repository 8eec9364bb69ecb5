/// Slices by contender and class, and why the others do not count.
package struct SliceSorter {
  private var byContender: [[PlacementClass: [SliceRecord]]]
  package private(set) var dropped: [Int]
  package private(set) var reasons: [DropReason: Int] = [:]
  /// Whether slices count that were disturbed.
  package private(set) var isDisturbed = false

  package init(contenders: Int) {
    byContender = Array(repeating: [:], count: contenders)
    dropped = Array(repeating: 0, count: contenders)
  }

  /// Sorts a whole run.
  ///
  /// Slices that were disturbed count only where some contender would be left with fewer than `minimum`, or than it has,
  /// without them, the least disturbed first: on a machine that is busy with something else a figure with a warning
  /// beats none. Nor do those that ran with another class's setting than the one found for theirs, which `isForeign`
  /// tells.
  package init(
    _ records: [SliceRecord], contenders: Int, minimum: Int, classifier: PlacementClassifier,
    isForeign: (SliceRecord, PlacementClass) -> Bool = { _, _ in false }
  ) {
    func verdict(_ record: SliceRecord, _ tolerance: Tolerance) -> PlacementClassifier.Verdict {
      let verdict = classifier.verdict(record.conditions, tolerating: tolerance)
      guard case .kept(let placement) = verdict, isForeign(record, placement) else { return verdict }
      return .dropped(.otherThreshold)
    }
    self.init(contenders: contenders)
    for tolerance in Tolerance.allCases {
      var sorted = SliceSorter(contenders: contenders)
      for record in records { sorted.add(record, verdict(record, tolerance)) }
      // One that keeps no more than the one before it changes nothing.
      if tolerance == .nothing || sorted.dropped != dropped {
        sorted.isDisturbed = tolerance > .nothing
        self = sorted
      }
      if !(0..<contenders).contains(where: { isShort($0, of: minimum) }) { return }
    }
  }

  private func isShort(_ contender: Int, of minimum: Int) -> Bool {
    dropped[contender] > 0 && most(contender) < minimum
  }

  /// Slices of a contender in the class that it has most of.
  package func most(_ contender: Int) -> Int { byContender[contender].values.map(\.count).max() ?? 0 }

  package mutating func add(_ record: SliceRecord, _ verdict: PlacementClassifier.Verdict) {
    switch verdict {
    case .kept(let placement): byContender[record.contender][placement, default: []].append(record)
    case .dropped(let reason):
      dropped[record.contender] += 1
      reasons[reason, default: 0] += 1
    }
  }

  package func kept(_ contender: Int, _ placement: PlacementClass) -> [SliceRecord] {
    byContender[contender][placement] ?? []
  }

  /// Times of two contenders in the rounds in which both ran in that class.
  package func pairs(
    _ contender: Int, with baseline: Int, _ placement: PlacementClass
  ) -> [(numerator: Double, denominator: Double)] {
    var times: [Int: Double] = [:]
    for record in kept(baseline, placement) { times[record.round] = record.nanosecondsPerBuffer }
    return kept(contender, placement).compactMap { record in
      times[record.round].map { (record.nanosecondsPerBuffer, $0) }
    }
  }
}

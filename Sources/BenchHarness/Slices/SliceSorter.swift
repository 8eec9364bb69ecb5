/// Slices by case and class, and why the others do not count.
package struct SliceSorter {
  private var byCase: [[PlacementClass: [SliceRecord]]]
  package private(set) var dropped: [Int]
  package private(set) var reasons: [DropReason: Int] = [:]
  /// Whether slices count that were disturbed.
  package private(set) var isDisturbed = false

  package init(cases: Int) {
    byCase = Array(repeating: [:], count: cases)
    dropped = Array(repeating: 0, count: cases)
  }

  /// Sorts a whole run.
  ///
  /// Slices that were disturbed count only where some case would be left with fewer than `minimum`, or than it has,
  /// without them, the least disturbed first: on a machine that is busy with something else a figure with a warning
  /// beats none. Nor do those that ran with another class's setting than the one found for theirs, which `isForeign`
  /// tells.
  package init(
    _ records: [SliceRecord], cases: Int, minimum: Int, classifier: PlacementClassifier,
    isForeign: (SliceRecord, PlacementClass) -> Bool = { _, _ in false }
  ) {
    func verdict(_ record: SliceRecord, _ tolerance: Tolerance) -> PlacementClassifier.Verdict {
      let verdict = classifier.verdict(record.conditions, tolerating: tolerance)
      guard case .kept(let placement) = verdict, isForeign(record, placement) else { return verdict }
      return .dropped(.otherThreshold)
    }
    self.init(cases: cases)
    for tolerance in Tolerance.allCases {
      var sorted = SliceSorter(cases: cases)
      for record in records { sorted.add(record, verdict(record, tolerance)) }
      // One that keeps no more than the one before it changes nothing.
      if tolerance == .nothing || sorted.dropped != dropped {
        sorted.isDisturbed = tolerance > .nothing
        self = sorted
      }
      if !(0..<cases).contains(where: { isShort($0, of: minimum) }) { return }
    }
  }

  private func isShort(_ benchCase: Int, of minimum: Int) -> Bool {
    dropped[benchCase] > 0 && most(benchCase) < minimum
  }

  /// Slices of a case in the class that it has most of.
  package func most(_ benchCase: Int) -> Int { byCase[benchCase].values.map(\.count).max() ?? 0 }

  package mutating func add(_ record: SliceRecord, _ verdict: PlacementClassifier.Verdict) {
    switch verdict {
    case .kept(let placement): byCase[record.benchCase][placement, default: []].append(record)
    case .dropped(let reason):
      dropped[record.benchCase] += 1
      reasons[reason, default: 0] += 1
    }
  }

  package func kept(_ benchCase: Int, _ placement: PlacementClass) -> [SliceRecord] {
    byCase[benchCase][placement] ?? []
  }

  /// Times of two cases in the rounds in which both ran in that class.
  package func pairs(
    _ benchCase: Int, with baseline: Int, _ placement: PlacementClass
  ) -> [(numerator: Double, denominator: Double)] {
    var times: [Int: Double] = [:]
    for record in kept(baseline, placement) { times[record.round] = record.nanosecondsPerBuffer }
    return kept(benchCase, placement).compactMap { record in
      times[record.round].map { (record.nanosecondsPerBuffer, $0) }
    }
  }
}

/// Slices by case and class, and why the others do not count.
package struct SliceSorter {
  private var byCase: [[PlacementClass: [SliceRecord]]]
  private var droppedByCase: [[(record: SliceRecord, reason: DropReason)]]
  package private(set) var reasons: [DropReason: Int] = [:]
  /// Whether slices count that were disturbed.
  package private(set) var isDisturbed = false

  init(cases: Int) {
    byCase = Array(repeating: [:], count: cases)
    droppedByCase = Array(repeating: [], count: cases)
  }

  /// How many slices of each case do not count.
  var dropped: [Int] { droppedByCase.map(\.count) }

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
    !droppedByCase[benchCase].isEmpty && most(benchCase) < minimum
  }

  /// Slices of a case in the class that it has most of.
  func most(_ benchCase: Int) -> Int { byCase[benchCase].values.map(\.count).max() ?? 0 }

  /// The slices of a case in a class, and the dropped ones where it has most slices, in the order they were taken.
  package func all(_ benchCase: Int, _ placement: PlacementClass) -> [(record: SliceRecord, reason: DropReason?)] {
    let kept: [(record: SliceRecord, reason: DropReason?)] = kept(benchCase, placement).map { ($0, nil) }
    let most = most(benchCase)
    guard PlacementClass.allCases.first(where: { self.kept(benchCase, $0).count == most }) == placement else {
      return kept
    }
    return (kept + droppedByCase[benchCase].map { ($0.record, $0.reason) }).sorted { $0.record.round < $1.record.round }
  }

  mutating func add(_ record: SliceRecord, _ verdict: PlacementClassifier.Verdict) {
    switch verdict {
    case .kept(let placement): byCase[record.benchCase][placement, default: []].append(record)
    case .dropped(let reason):
      droppedByCase[record.benchCase].append((record, reason))
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

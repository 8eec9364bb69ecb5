import Testing

@testable import BenchHarness

@Suite struct SliceSorterTests {
  private func record(_ benchCase: Int, round: Int, cost: Double) -> SliceRecord {
    SliceRecord(
      benchCase: benchCase, round: round, nanosecondsPerBuffer: cost,
      conditions: SliceConditions(roundTripBefore: 105, roundTripAfter: 105))
  }

  // The placement changes every round, and everything is five times as expensive in the other one.
  @Test func pairsStayWithinRoundAndClass() throws {
    var sorter = SliceSorter(cases: 2)
    for round in 0..<20 {
      let isNear = round.isMultiple(of: 2)
      sorter.add(record(0, round: round, cost: isNear ? 100 : 500), .kept(isNear ? .sameL3 : .crossL3))
      sorter.add(record(1, round: round, cost: isNear ? 150 : 750), .kept(isNear ? .sameL3 : .crossL3))
    }
    for placement in [PlacementClass.sameL3, .crossL3] {
      let pairs = sorter.pairs(1, with: 0, placement)
      #expect(pairs.count == 10)
      #expect(BootstrapInterval.medianOfRatios(pairs, seed: 1) == .exactly(1.5))
    }
    #expect(sorter.pairs(1, with: 0, .smt).isEmpty)
  }

  @Test func aRoundWithoutTheBaselineIsNoPair() {
    var sorter = SliceSorter(cases: 2)
    sorter.add(record(0, round: 0, cost: 100), .kept(.sameL3))
    sorter.add(record(1, round: 1, cost: 150), .kept(.sameL3))
    sorter.add(record(0, round: 2, cost: 100), .kept(.crossL3))
    sorter.add(record(1, round: 2, cost: 150), .kept(.sameL3))
    #expect(sorter.pairs(1, with: 0, .sameL3).isEmpty)
    #expect(sorter.kept(1, .sameL3).count == 2)
  }

  @Test func droppedSlicesAreCountedByCaseAndReason() {
    var sorter = SliceSorter(cases: 2)
    sorter.add(record(0, round: 0, cost: 1), .dropped(.stolenTime))
    sorter.add(record(1, round: 0, cost: 1), .dropped(.stolenTime))
    sorter.add(record(1, round: 1, cost: 1), .dropped(.placementChanged))
    #expect(sorter.dropped == [1, 2])
    #expect(sorter.reasons == [.stolenTime: 2, .placementChanged: 1])
    #expect(sorter.kept(1, .sameL3).isEmpty)
  }

  private func run(disturbed: Int, of count: Int) -> [SliceRecord] {
    (0..<count).map { round in
      var conditions = SliceConditions(roundTripBefore: 105, roundTripAfter: 105)
      conditions.involuntarySwitches = round < disturbed ? 1 : 0
      return SliceRecord(benchCase: 0, round: round, nanosecondsPerBuffer: 1, conditions: conditions)
    }
  }

  @Test(arguments: [(4, 12, false), (8, 12, true), (12, 12, true), (2, 3, true), (0, 3, false)])
  func disturbedSlicesCountOnlyWhereTooFewOthersAreLeft(disturbed: Int, count: Int, tolerated: Bool) {
    let records = run(disturbed: disturbed, of: count)
    let pair = CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true)
    let classifier = PlacementClassifier(pair: pair, underHypervisor: false, roundTrips: [105])
    let sorter = SliceSorter(records, cases: 1, minimum: 5, classifier: classifier)
    #expect(sorter.isDisturbed == tolerated)
    #expect(sorter.kept(0, .sameL3).count == (tolerated ? count : count - disturbed))
    #expect(sorter.dropped[0] == (tolerated ? 0 : disturbed))
  }

  /// What was disturbed least comes first: whatever happened to a slice, it counts where nothing better came.
  @Test(arguments: [
    (SliceConditions(roundTripBefore: 105, roundTripAfter: 105, involuntarySwitches: 2), PlacementClass.sameL3),
    (SliceConditions(roundTripBefore: 105, roundTripAfter: 105, stolenTicks: 1), .sameL3),
    (SliceConditions(roundTripBefore: 105, roundTripAfter: 510), .sameL3),
    (SliceConditions(roundTripBefore: -1, roundTripAfter: 510), .crossL3),
    (SliceConditions(roundTripBefore: -1, roundTripAfter: -1, stolenTicks: 1), .sameL3),
  ])
  func aDisturbedSliceCountsWhereNothingBetterCame(conditions: SliceConditions, placement: PlacementClass) {
    let pair = CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true)
    let classifier = PlacementClassifier(pair: pair, underHypervisor: true, roundTrips: [105, 510])
    let slices = (0..<7).map { round in
      SliceRecord(benchCase: 0, round: round, nanosecondsPerBuffer: 1, conditions: conditions)
    }
    let alone = SliceSorter(slices, cases: 1, minimum: 5, classifier: classifier)
    #expect(alone.isDisturbed && alone.kept(0, placement).count == 7)
    let better = (7..<14).map { record(0, round: $0, cost: 1) }
    let beside = SliceSorter(slices + better, cases: 1, minimum: 5, classifier: classifier)
    #expect(!beside.isDisturbed && beside.kept(0, .sameL3).map(\.round) == Array(7..<14))
    #expect(beside.dropped == [7])
  }

  private func run(_ records: [SliceRecord], cases: Int) -> PairedRun {
    var run = SliceRun()
    run.records = records
    let pair = CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true)
    return PairedRun(
      run, cases: cases, slices: 100,
      classifier: PlacementClassifier(pair: pair, underHypervisor: false, roundTrips: [105]), seed: 1)
  }

  @Test func casesThatNeverRanInOneRoundAreComparedByTheirTimes() throws {
    let records = (0..<10).map { record(0, round: $0, cost: 100) } + (10..<20).map { record(1, round: $0, cost: 300) }
    let run = run(records, cases: 2)
    #expect(run.sorter.pairs(1, with: 0, .sameL3).isEmpty)
    #expect(run.ratio(1, to: 0, .sameL3) == .exactly(3))
    #expect(run.ratio(1, to: 0, .smt) == nil)
  }

  /// A run that had time for few slices shows them, with intervals as wide as so few deserve.
  @Test(arguments: [(1, 2.0), (2, 1.5), (4, 1.25), (5, 1.0)])
  func fewSlicesHaveWideIntervals(count: Int, factor: Double) throws {
    let time = try #require(run((0..<count).map { record(0, round: $0, cost: 100) }, cases: 1).time(0, .sameL3))
    #expect(time.median == 100 && time.low == 100 / factor && time.high == 100 * factor)
  }
}

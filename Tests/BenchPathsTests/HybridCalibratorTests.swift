import RingIOMMU
import RingKit
import TestTraits
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite(.oneAtATime) struct HybridCalibratorTests {
  /// The same thing twice or more in a row, once.
  private func turns(_ trips: [Int]) -> [Int] {
    trips.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  private func sorter(_ run: MovingCPUs.Run, cases: Int) -> (sorter: SliceSorter, outcome: HybridOutcome) {
    let classifier = PlacementClassifier(
      pair: CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true), underHypervisor: true,
      roundTrips: run.slices.roundTrips)
    let outcome = run.hybrid.named(by: classifier)
    let sorter = SliceSorter(
      run.slices.records, cases: cases, minimum: 3, classifier: classifier, isForeign: outcome.isForeign)
    return (sorter, outcome)
  }

  private var hasTwoCPUs: Bool { Machine.read().cpus.count > 1 }

  @Test func aPlacementThatAppearsLaterIsCalibratedOnceAndSlicesBeforeThatAreDropped() throws {
    guard hasTwoCPUs else { return print("skipped: one CPU") }
    // Apart after the twelfth slice, together after the twentieth, apart again after the thirtieth.
    let cpus = MovingCPUs { (12..<20).contains($0) || $0 >= 30 ? 500 : 100 }
    let calibrator = cpus.calibrator()
    let run = try cpus.run([cpus.hybrid(calibrator)], rounds: 40)
    #expect(run.hybrid.findings.map(\.placement) == [.sameL3, .crossL3])
    #expect(run.hybrid.findings.map(\.occasion) == [.start, .later])
    #expect(run.hybrid.findings.map(\.calibration.threshold.deviceWritable) == [400, 700])
    #expect(run.hybrid.findings.allSatisfy { $0.calibration.samples.map(\.byteCount) == MovingCPUs.sizes })
    #expect(run.hybrid.gaps.isEmpty)
    #expect(turns(cpus.calibrated) == [100, 500], "each placement once")
    let expected = (1...40).map { $0 <= 13 || (21...30).contains($0) ? 400 : UInt32(700) }
    // The slice after the one in which they come back, or go again, is led by the look between the two.
    #expect(cpus.used == expected)
    let (sorter, outcome) = sorter(run, cases: 1)
    #expect(sorter.reasons == [.placementChanged: 3, .otherThreshold: 1])
    #expect(sorter.kept(0, .crossL3).map(\.round) == Array(13..<19) + Array(30..<40))
    #expect(sorter.kept(0, .sameL3).count == 20)
    #expect(outcome.warning(rows: [(.split, .sameL3), (.split, .crossL3)]) == nil)
  }

  @Test func aPlacementForWhichNoTimeWasLeftIsInTheWarning() throws {
    var outcome = HybridOutcome()
    outcome.add(
      HybridFinding(
        ring: .split, placement: .sameL3, roundTrip: 100, slices: 20, calibration: HybridCalibration(samples: [])))
    outcome.add(HybridGap(ring: .split, placement: .crossL3, roundTrip: 500, reason: .noTime))
    let warning = try #require(outcome.warning(rows: [(.split, .sameL3), (.split, .crossL3)]))
    #expect(warning.contains("too little of the time limit was left"))
  }

  @Test func whatIsLearnedInSeveralShortStaysAddsUp() throws {
    guard hasTwoCPUs else { return print("skipped: one CPU") }
    // Apart for two slices of the hybrid and at most twenty runs of the calibrator's cases: it needs six of each
    // to size its slices, and three for a finding.
    let cpus = MovingCPUs(stay: 20) { $0 % 4 == 1 || $0 % 4 == 2 ? 500 : 100 }
    let run = try cpus.run([cpus.hybrid(cpus.calibrator())], rounds: 80)
    #expect(run.hybrid.findings.map(\.placement) == [.sameL3, .crossL3])
    #expect(run.hybrid.findings.last?.occasion == .later)
    #expect(run.hybrid.findings.last?.calibration.threshold.deviceWritable == 700)
    #expect(cpus.calibrated.count { $0 == 500 } >= (6 + 3) * 6)
    #expect(run.hybrid.gaps.isEmpty)
  }

  @Test func whatWasTriedForLongEnoughIsGivenUp() throws {
    guard hasTwoCPUs else { return print("skipped: one CPU") }
    let cpus = MovingCPUs(stay: 1) { $0 % 4 == 1 || $0 % 4 == 2 ? 500 : 100 }
    let calibrator = cpus.calibrator(seconds: 1e-9)
    let run = try cpus.run([cpus.hybrid(calibrator)], rounds: 40)
    #expect(run.hybrid.findings.map(\.placement) == [.sameL3])
    #expect(run.hybrid.gaps.map(\.reason) == [.passing])
    #expect(cpus.calibrated.count { $0 == 500 } == 1, "one attempt")
  }

  @Test func withoutAnyFindingHybridIsLeftOutAndNamed() throws {
    guard hasTwoCPUs else { return print("skipped: one CPU") }
    let cpus = MovingCPUs { _ in 100 }
    let run = try cpus.run([cpus.hybrid(cpus.calibrator())], rounds: 4, timeLimit: 0)
    #expect(run.slices.records.isEmpty && run.hybrid.findings.isEmpty)
    #expect(run.slices.leftOut.count == 1 && run.slices.leftOut[0].contains("hybrid on the split ring is left out"))
    #expect(run.slices.leftOut[0].contains("--hybrid-threshold"))
  }

  @Test func onCPUsThatNeverAnswerTheThresholdIsMeasuredAllTheSame() throws {
    guard hasTwoCPUs else { return print("skipped: one CPU") }
    let cpus = MovingCPUs { _ in -1 }
    cpus.answers(-1)
    let run = try cpus.run([cpus.hybrid(cpus.calibrator())], rounds: 4)
    #expect(run.hybrid.findings.map(\.calibration.threshold.deviceWritable) == [400])
    #expect(run.slices.records.count >= 4 && run.slices.leftOut.isEmpty)
    #expect(sorter(run, cases: 1).sorter.isDisturbed)
  }

  @Test func aThresholdThatIsGivenIsNeverMeasured() throws {
    var parameters = CostParameters()
    parameters.rings = [.split]
    parameters.paths = [.hybrid]
    (parameters.sizes, parameters.depth) = ([512], 8)
    let key = CostKey(ring: .split, path: .hybrid, direction: .deviceWritable, bytes: 512)
    for given in [nil, 4096] as [Int?] {
      parameters.hybridThreshold = given
      var factory = CaseFactory(parameters: parameters, guest: try BenchGuest(parameters))
      let cases = [try factory.make(key), try factory.make(key)]
      let calibrators = cases.compactMap { $0.tuner as? HybridCalibrator }
      #expect(calibrators.count == (given == nil ? cases.count : 0))
      #expect(calibrators.allSatisfy { $0 === calibrators.first }, "one for all hybrids of a ring")
      let hidden = factory.tuner?.cases ?? []
      #expect(hidden.count == calibrators.first?.cases.count ?? 0)
      for benchCase in cases + hidden { benchCase.close() }
    }
  }

  @Test func everyPairHasItsTurnFirst() throws {
    let calibrator = MovingCPUs { _ in 100 }.calibrator()
    var first: Set<Int> = []
    for _ in 0..<6 {
      #expect(calibrator.order.sorted() == Array(0..<6))
      for turn in stride(from: 0, to: 6, by: 2) {
        #expect(calibrator.order[turn] / 2 == calibrator.order[turn + 1] / 2, "pairs are neighbours")
      }
      first.insert(calibrator.order[0])
      calibrator.endRound(nil)
    }
    #expect(first == [0, 1, 2, 3, 4, 5])
  }
}

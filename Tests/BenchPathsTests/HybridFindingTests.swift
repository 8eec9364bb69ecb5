import RingIOMMU
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite struct HybridFindingTests {
  private let classifier = PlacementClassifier(
    pair: CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true), underHypervisor: true,
    roundTrips: [100, 102, 500, 510])

  private let keys: [CostKey] = [256, 512, 1024].flatMap { bytes in
    [DMAPath.shadow, .iommuStrict].map {
      CostKey(ring: .split, path: $0, direction: .deviceWritable, bytes: bytes)
    }
  }

  /// Slices in which a copy costs as many nanoseconds as there are bytes, and a map `map`.
  private func records(_ rounds: Range<Int>, roundTrip: Double, map: Double) -> [SliceRecord] {
    rounds.flatMap { round in
      keys.indices.map { number in
        SliceRecord(
          benchCase: number, round: round,
          nanosecondsPerBuffer: keys[number].path == .shadow ? Double(keys[number].bytes) : map,
          conditions: SliceConditions(roundTripBefore: roundTrip, roundTripAfter: roundTrip))
      }
    }
  }

  private func findings(_ records: [SliceRecord]) -> [HybridFinding] {
    HybridCalibrator.findings(
      keys, SliceSorter(records, cases: keys.count, minimum: 3, classifier: classifier))
  }

  private func finding(_ ring: RingLayout, _ placement: PlacementClass) -> HybridFinding {
    let samples = [
      HybridSample(direction: .deviceWritable, byteCount: 256, copyNanoseconds: 10, mapNanoseconds: 400),
      HybridSample(direction: .deviceWritable, byteCount: 512, copyNanoseconds: 600, mapNanoseconds: 400),
    ]
    return HybridFinding(
      ring: ring, placement: placement, roundTrip: 105, slices: 12, calibration: HybridCalibration(samples: samples))
  }

  @Test func eachClassHasItsOwnThresholdAndTheOneSeenMostComesFirst() throws {
    let found = findings(
      records(0..<3, roundTrip: 101, map: 400) + records(3..<9, roundTrip: 505, map: 700))
    #expect(found.map(\.placement) == [.crossL3, .sameL3])
    #expect(found.map(\.calibration.threshold.deviceWritable) == [700, 400])
    #expect(found.map(\.slices) == [36, 18])
    #expect(found.allSatisfy { $0.calibration.samples.map(\.byteCount) == [256, 512, 1024] })
  }

  @Test func aClassOfTooFewSlicesSaysNothing() {
    #expect(findings(records(0..<2, roundTrip: 101, map: 400)).isEmpty)
    #expect(findings([]).isEmpty)
  }

  @Test func aClassWithGapsComesAfterACompleteOne() {
    let whole = records(0..<3, roundTrip: 101, map: 400)
    let gaps = records(3..<20, roundTrip: 505, map: 700).filter { keys[$0.benchCase].bytes != 512 }
    let found = findings(whole + gaps)
    #expect(found.map(\.placement) == [.sameL3, .crossL3])
    #expect(found.last?.calibration.samples.map(\.byteCount) == [256, 1024])
  }

  @Test func rowsOfAnotherClassAreWarnedOf() throws {
    let known = [
      finding(.split, .sameL3), finding(.split, .crossL3), finding(.packed, .sameL3),
    ]
    var outcome = HybridOutcome()
    outcome.findings = known
    #expect(outcome.warning(rows: [(.split, .sameL3), (.split, .crossL3), (.packed, .sameL3)]) == nil)
    #expect(outcome.warning(rows: []) == nil)
    #expect(HybridOutcome().warning(rows: [(.split, .crossL3)]) == nil, "a threshold that was given is nobody's")
    let rows: [(ring: RingLayout, placement: PlacementClass)] = [(.split, .sameL3), (.packed, .crossL3)]
    let warning = try #require(outcome.warning(rows: rows))
    #expect(warning.contains("measured in class same-l3, but rows were in class cross-l3 too"))
    #expect(warning.contains("not left there undisturbed") && warning.contains("--hybrid-threshold"))
    outcome.add(HybridGap(ring: .packed, placement: .crossL3, roundTrip: 500, reason: .noTime))
    #expect(outcome.warning(rows: rows)?.contains("too little of the time limit was left") == true)
    outcome.add(finding(.packed, .crossL3))
    #expect(outcome.gaps.isEmpty && outcome.warning(rows: rows) == nil)
  }

  @Test func theThresholdOfTheNearestClassIsUsed() {
    var (near, far) = (finding(.split, .sameL3), finding(.split, .crossL3))
    (near.roundTrip, far.roundTrip) = (100, 500)
    let findings = [finding(.packed, .sameL3), far, near]
    let nearest = { HybridFinding.nearest(findings, .split, to: $0).map { findings[$0].placement } }
    // Halfway is 224, as many times 100 as 500 is of it.
    #expect(nearest(40) == .sameL3 && nearest(220) == .sameL3 && nearest(230) == .crossL3 && nearest(900) == .crossL3)
    // A probe that failed says nothing, and traps nowhere.
    #expect(nearest(-1) == .sameL3)
    #expect(HybridFinding.nearest(findings, .split, to: 100) == 2 && HybridFinding.nearest([], .split, to: 100) == nil)
  }

  @Test func theLadderEndsWhereTheRunOrTheBufferDoes() {
    let usual = HybridCalibrator.ladder(upTo: .max, measured: 1500, depth: 128)
    #expect(usual == [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536])
    #expect(HybridCalibrator.ladder(upTo: .max, measured: 131_072, depth: 128).suffix(2) == [65_536, 131_072])
    #expect(HybridCalibrator.ladder(upTo: .max, measured: 100_000, depth: 128).suffix(2) == [65_536, 100_000])
    #expect(HybridCalibrator.ladder(upTo: .max, measured: 16 << 20, depth: 8).last == 524_288)
    #expect(HybridCalibrator.ladder(upTo: 1536, measured: 65_536, depth: 128) == [256, 512, 1024, 1536])
    #expect(HybridCalibrator.ladder(upTo: 64, measured: 64, depth: 128) == [64])
    #expect(HybridCalibrator.ladder(upTo: .max, measured: 64, depth: 32_768).last == 8192)
  }

  /// The run's round trips name a finding only where they are those of the finding.
  @Test func aFindingIsNotRelabelledByAClassItWasNotMeasuredIn() {
    var outcome = HybridOutcome()
    outcome.findings = [finding(.split, .sameL3), finding(.packed, .crossL3)]
    outcome.findings[0].roundTrip = 110
    outcome.findings[1].roundTrip = 480
    let pair = CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true)
    let far = PlacementClassifier(pair: pair, underHypervisor: true, roundTrips: [500, 510])
    #expect(outcome.named(by: far).findings.map(\.placement) == [.sameL3, .crossL3])
    // What is of a group takes its name, whatever it was called when fewer round trips were known.
    outcome.findings[0].placement = .crossL3
    #expect(outcome.named(by: classifier).findings.map(\.placement) == [.sameL3, .crossL3])
  }
}

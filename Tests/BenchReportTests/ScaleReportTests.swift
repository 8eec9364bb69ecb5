import BenchTestSupport
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

@Suite struct ScaleReportTests {
  private func row(_ counters: [String: Double], footprint: Int) -> ResultRow {
    var row = ResultRow(.scale)
    row.counters = counters
    row.figures = [ResultFigure("footprintBytes", unit: "bytes", exactly: Double(footprint))]
    return row
  }

  private func text(
    _ ratio: (median: Double, low: Double, high: Double), _ first: ResultRow, _ last: ResultRow
  ) -> String {
    ScaleGrowth(Estimate(median: ratio.median, low: ratio.low, high: ratio.high), from: first, to: last, .fixture).text
  }

  @Test func whatStaysWithinATenthIsFlatWhateverItCounts() {
    let (first, last) = (row(["slotsSearched": 1], footprint: 4_096), row(["slotsSearched": 9], footprint: 1 << 20))
    #expect(text((1.02, 0.98, 1.06), first, last) == "flat")
    // The interval decides, not the median.
    #expect(text((1.2, 1.05, 1.4), first, last) == "flat")
    // One that could be anything says nothing.
    #expect(text((4, 0.1, 10), first, last).hasPrefix("open"))
    #expect(text((1.3, 1.2, 1.6), first, last) != "flat")
    #expect(text((0.85, 0.8, 0.9), first, last) != "flat")
  }

  @Test func growthNamesTheWorkThatGrewMost() {
    let first = row(["slotsSearched": 1, "iotlbMisses": 0.5, "iovaFromMagazine": 0, "maps": 1], footprint: 4_096)
    let last = row(["slotsSearched": 9, "iotlbMisses": 1, "iovaFromMagazine": 90, "maps": 1], footprint: 4_096)
    #expect(text((3, 2.9, 3.1), first, last) == "grows: slotsSearched 1 to 9 a buffer, iotlbMisses 0.5 to 1 a buffer")
    // What fell does not explain growth, nor the other way round.
    #expect(text((3, 2.9, 3.1), last, first).hasPrefix("grows: the same work"))
    #expect(text((0.5, 0.4, 0.6), last, first).hasPrefix("falls: slotsSearched 9 to 1"))
  }

  @Test func growthWithoutWorkNamesTheMemoryThatGoesRound() {
    let (first, last) = (row(["maps": 1], footprint: 4_096), row(["maps": 1], footprint: 1 << 40))
    #expect(text((2, 1.9, 2.1), first, last).hasSuffix("which no cache holds"))
    #expect(text((2, 1.9, 2.1), first, first).hasSuffix("the same bytes, further apart"))
  }

  /// Two paths over three queue sizes, one of which doubles.
  private func run() -> (ScaleParameters, [ScaleKey], PairedRun) {
    var parameters = ScaleParameters()
    (parameters.axes, parameters.paths, parameters.queueSizes) = ([.queueSize], [.swiotlb], [64, 512, 4_096])
    var (keys, run) = ([ScaleKey](), SliceRun())
    for path in parameters.measuredPaths {
      for point in parameters.points { keys.append(ScaleKey(point, path)) }
    }
    for round in 0..<20 {
      for number in keys.indices {
        let grown = keys[number].path == .swiotlb && number % 3 == 2
        run.records.append(
          SliceRecord(
            benchCase: number, round: round, nanosecondsPerBuffer: (grown ? 200 : 100) + Double(round % 3),
            conditions: SliceConditions(roundTripBefore: 100, roundTripAfter: 100)))
      }
    }
    for number in keys.indices {
      run.counters[number] = ["slotsSearched": number == 5 ? 8 : 1, "poolHighWaterSlots": 9]
    }
    let paired = PairedRun(
      run, cases: keys.count, slices: 20, classifier: Machine.fixture.classifier(0, 1, roundTrips: run.roundTrips),
      seed: 1)
    return (parameters, keys, paired)
  }

  @Test func aRunTellsGrowthFromNoneAndSaysWhy() throws {
    let (parameters, keys, run) = run()
    let report = ScaleReport(machine: .fixture, parameters: parameters, keys: keys, predictions: [], run: run)
    let document = try report.document(.fixture(of: "scale"))
    let growth = document.results.filter { $0.kind == .growth }
    #expect(growth.map(\.path) == [.direct, .swiotlb])
    #expect(growth.map(\.note) == ["flat", "grows: slotsSearched 1 to 8 a buffer"])
    #expect(growth.last?.figure("lastByFirst").map { (1.9...2.1).contains($0.value) } == true)
    #expect(document.results.count { $0.kind == .scale } == 6)
    #expect(document.results.allSatisfy { $0.counters?["poolHighWaterSlots"] == nil })
    #expect(document.answer?.hasPrefix("1 of 2 are flat; swiotlb grows most, × 1.99") == true)
    let text = document.text(TextView(isFull: true))
    #expect(text.contains("direct: × 1.00") && text.contains("slotsSearched 1 to 8"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test func whatIsSimulatedSaysSo() throws {
    let (parameters, keys, run) = run()
    let predictions = [1, 16].map { queues in
      var simulator = ContentionSimulator(
        SimulatedOperation(steps: [.work(50), .locked(isOwn: false, 50, lines: 0)]), cpus: queues, transfer: 100,
        length: 100, seed: 1)
      return ScalePrediction(path: .swiotlb, model: .swiotlbOneArea, queues: queues, result: simulator.run())
    }
    let report = ScaleReport(
      machine: .fixture, parameters: parameters, keys: keys, predictions: predictions, run: run)
    let document = try report.document(.fixture(of: "scale"))
    let rows = document.results.filter { $0.kind == .prediction }
    #expect(rows.count == 2 && rows.allSatisfy { $0.note == "simulated" })
    // Half of the time under one lock: sixteen wait for it most of the time.
    #expect(rows.first?.figure("ratioToFirst")?.value == 1)
    #expect(rows.last?.figure("ratioToFirst").map { $0.value > 4 } == true)
    #expect(document.text(TextView()).contains("SIMULATED"))
  }

  /// A run as slow as it was is the same; direct is what the others are compared with.
  @Test func twoRunsCanBeCompared() throws {
    let (parameters, keys, run) = run()
    let report = ScaleReport(machine: .fixture, parameters: parameters, keys: keys, predictions: [], run: run)
    let document = try report.document(.fixture(of: "scale"))
    let side = ComparedSide([("run", document)])
    let comparison = try Comparer(side, side, threshold: 0.03).compare()
    #expect(comparison.rows.count == 6 && comparison.rows(.same).count == 6)
  }
}

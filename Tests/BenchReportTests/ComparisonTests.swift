import BenchTestSupport
import Glibc
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

/// Runs that never were: slices drawn with a noise that direct shares, as a machine's clock does.
@Suite struct ComparisonTests {
  private static let paths: [(path: DMAPath, ns: Double)] = [
    (.direct, 100), (.iommuStrict, 300), (.iommuLazy, 150), (.premapped, 101), (.swiotlb, 250), (.shadow, 120),
  ]

  private struct Noise {
    var generator: SeededGenerator
    /// Normal, by twelve uniform numbers.
    mutating func next() -> Double {
      (0..<12).reduce(-6.0) { sum, _ in sum + Double(generator.next() >> 11) / Double(1 << 53) }
    }
  }

  /// A run of two rings and two sizes; `drift` is how far its rows lie from others' without a cause.
  private func run(seed: UInt64, slices: Int = 20, noise: Double = 0.02, drift: Double = 0) -> ResultDocument {
    var random = Noise(generator: SeededGenerator(seed: seed))
    var document = ResultDocument(run: .fixture(), machine: .fixture)
    document.run.seed = "\(seed)"
    document.parameters = ["depth": .integer(128), "seed": .integer(Int(seed))]
    let speed = exp(drift * random.next())
    for ring in RingLayout.allCases {
      for bytes in [1_500, 4_096] {
        let common = (0..<slices).map { _ in speed * exp(noise * random.next()) }
        for (path, ns) in Self.paths {
          let offset = exp(drift * random.next())
          document.results.append(
            Self.row(ring, path, bytes, common.map { ns * offset * $0 * exp(noise / 2 * random.next()) }))
        }
      }
    }
    return document
  }

  private static func row(_ ring: RingLayout, _ path: DMAPath, _ bytes: Int, _ times: [Double]) -> ResultRow {
    var row = ResultRow(.path)
    (row.ring, row.path, row.direction, row.bytes) = (ring, path, .deviceReadable, bytes)
    row.placement = PlacementFigure(.sameL3, 105)
    row.slices = times.enumerated().map { SliceSample(round: $0, nsPerBuffer: $1, roundTripNs: 105) }
    (row.slicesKept, row.slicesDropped) = (times.count, 0)
    // A comparison draws from the slices.
    row.nsPerBuffer = Percentile.median(times).map { Estimate(median: $0, low: $0 * 0.99, high: $0 * 1.01) }
    return row
  }

  private func compare(_ a: [ResultDocument], _ b: [ResultDocument]) throws -> Comparison {
    let side = { (runs: [ResultDocument]) in ComparedSide(runs.enumerated().map { ("run \($0)", $1) }) }
    return try Comparer(side(a), side(b), threshold: 0.03).compare()
  }

  /// Every time of a row by a factor.
  private func slowed(_ document: ResultDocument, _ number: Int, by factor: Double) -> ResultDocument {
    var document = document
    for index in document.results[number].slices?.indices ?? 0..<0 {
      document.results[number].slices?[index].nsPerBuffer *= factor
    }
    let time = document.results[number].nsPerBuffer
    document.results[number].nsPerBuffer = time.map {
      Estimate(median: $0.median * factor, low: $0.low * factor, high: $0.high * factor)
    }
    return document
  }

  @Test func aRunIsTheSameAsItself() throws {
    let run = run(seed: 1)
    let comparison = try compare([run], [run])
    #expect(comparison.rows.count == 24 && comparison.rows(.same).count == 24)
    #expect(comparison.rows.allSatisfy { $0.timeRatio?.median == 1 && $0.relativeRatio?.median == 1 })
    #expect(comparison.text().contains("24 the same (~) within 3.0 %"))
  }

  /// With as few slices as ranks cannot tell anything from, too; and of direct, which every other row is compared with.
  @Test(arguments: [(5, 0), (5, 8), (20, 1), (20, 23), (100, 0), (100, 1)])
  func oneSlowerRowIsFoundAndNoOther(slices: Int, number: Int) throws {
    let (before, other) = (run(seed: 7, slices: slices, noise: 0.01), run(seed: 8, slices: slices, noise: 0.01))
    let comparison = try compare([before], [slowed(other, number, by: 1.2)])
    #expect(comparison.rows(.slower).map(\.name) == [before.results[number].name])
    #expect(comparison.rows(.same).count == 23)
    let back = try compare([slowed(before, number, by: 1.2)], [other])
    #expect(back.rows(.faster).map(\.name) == [before.results[number].name] && back.rows(.same).count == 23)
  }

  /// A file that was edited is of the same run: what is noise in one is the same noise in the other.
  @Test(arguments: [1, 4])
  func filesOfOneRunAreComparedSliceBySlice(number: Int) throws {
    let before = run(seed: 5, slices: 5, noise: 0.5)
    let comparison = try compare([before], [slowed(before, number, by: 1.1)])
    #expect(comparison.rows(.slower).map(\.name) == [before.results[number].name] && comparison.rows(.same).count == 23)
  }

  @Test func aDifferenceBelowTheThresholdDoesNotCount() throws {
    let before = run(seed: 3, slices: 100, noise: 0.001)
    #expect(try compare([before], [slowed(before, 1, by: 1.02)]).rows(.same).count == 24)
  }

  /// Runs of one binary: rows lie a per cent or two apart although nothing changed.
  @Test func runsOfOneBinaryAreHardlyEverToldApart() throws {
    var flagged = 0
    for pair in 0..<20 {
      let (first, second) = (UInt64(1000 + 2 * pair), UInt64(1001 + 2 * pair))
      let comparison = try compare([run(seed: first, drift: 0.015)], [run(seed: second, drift: 0.015)])
      if !comparison.rows(.slower).isEmpty || !comparison.rows(.faster).isEmpty { flagged += 1 }
    }
    #expect(flagged <= 1)
  }

  @Test func severalRunsArePooledAndTheirSpreadIsShown() throws {
    let before = (0..<4).map { run(seed: UInt64(10 + $0), drift: 0.01) }
    let after = (0..<4).map { slowed(run(seed: UInt64(20 + $0), drift: 0.01), 1, by: 1.3) }
    let comparison = try compare(before, after)
    #expect(comparison.rows(.slower).map(\.name) == [before[0].results[1].name])
    #expect(comparison.rows.allSatisfy { $0.spreadOfA ?? 0 > 0 && $0.spreadOfB ?? 0 > 0 })
    #expect(comparison.text().contains("runs A"))
  }

  @Test func whatCannotBeComparedSaysWhy() throws {
    let before = run(seed: 1)
    var after = before
    after.results.removeLast()
    after.results[3].price = "injected"
    after.results[4].slices = nil
    after.results[5].slices = Array(after.results[5].slices?.prefix(3) ?? [])
    let rows = try compare([before], [after]).rows(.notComparable)
    #expect(
      rows.map(\.reason) == [
        "price: none and injected", "no raw slices (schema 1)", "fewer than 5 slices", "only in A",
      ])
    var elsewhere = before
    elsewhere.machine = Machine(
      kernel: "6", cpuModel: "Other", architecture: "x86-64", underHypervisor: false, cpus: [], memoryBytes: 0,
      nodes: [], siblings: [], caches: [], hugePages: .read(), numaLibrary: false)
    let other = try compare([before], [elsewhere])
    #expect(other.rows(.notComparable).count == 24 && other.rows[0].reason == "CPU: Other and Test")
  }

  /// CPUs that move may have been in one class in one run and in another in the next.
  @Test func runsInDifferentClassesSayThatNothingCanBeCompared() throws {
    let before = run(seed: 1)
    var after = before
    for number in after.results.indices { after.results[number].placement = PlacementFigure(.crossL3, 400) }
    let why = try compare([before], [after]).whyNothing
    #expect(why == "A has rows of class same-l3 alone, B of cross-l3; measure again")
    #expect(try compare([before], [before]).whyNothing == nil)
  }

  @Test func differentParametersAreRefusedInOneLine() throws {
    let before = run(seed: 1)
    var after = before
    after.parameters["depth"] = .integer(64)
    let error = #expect(throws: BenchError.self) { try compare([before], [after]) }
    #expect(error == .machine("run 0 and run 0 cannot be compared: depth 128 and 64"))
    after = before
    after.run.subcommand = "ring"
    #expect(throws: BenchError.self) { try compare([before], [after]) }
  }

  @Test func aComparisonFitsTheTerminal() throws {
    let before = run(seed: 1)
    let comparison = try compare([before], [slowed(before, 1, by: 1.5)])
    for width in [60, 80] {
      let text = comparison.text(isFull: true, width: width)
      #expect(text.split(separator: "\n").allSatisfy { $0.count <= width }, "\(text)")
    }
    #expect(comparison.text(isColoured: true).contains("\u{1B}[31m"))
    #expect(!comparison.text().contains("\u{1B}"))
  }

  @Test func baselinesLieBelowTheFolderOfTheUsersData() throws {
    let variables = ["HOME": "/home/a", "XDG_DATA_HOME": "/data"]
    #expect(try Baseline.path("x-1.y") { variables[$0] } == "/data/ringbench/baselines/x-1.y.json")
    #expect(
      try Baseline.path("x") { $0 == "HOME" ? "/home/a" : "relative" }
        == "/home/a/.local/share/ringbench/baselines/x.json")
    for name in ["", "../x", "a/b", ".x", "a b"] {
      #expect(throws: BenchError.self) { try Baseline.path(name) { variables[$0] } }
    }
    #expect(throws: BenchError.self) { try Baseline.path("x") { _ in nil } }
  }
}

import BenchTestSupport
import FoundationEssentials
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

@Suite struct ResultDocumentTests {
  /// A run of two paths: `direct` costs 100 ns, the other three times as much; one slice of each was disturbed.
  private func document() throws -> ResultDocument {
    var parameters = CostParameters()
    (parameters.rings, parameters.paths, parameters.sizes) = ([.split], [.iommuStrict], [64])
    parameters.directions = [.deviceReadable]
    let keys = [DMAPath.direct, .iommuStrict].map {
      CostKey(ring: .split, path: $0, direction: .deviceReadable, bytes: 64)
    }
    var run = SliceRun()
    for round in 0..<12 {
      for number in keys.indices {
        var conditions = SliceConditions(roundTripBefore: 104, roundTripAfter: 106)
        conditions.stolenTicks = round == 5 ? 1 : 0
        run.records.append(
          SliceRecord(
            benchCase: number, round: round, nanosecondsPerBuffer: number == 0 ? 100 : 300.123456789,
            conditions: conditions))
      }
    }
    run.counters[1] = ["maps": 1, "unmaps": 1]
    let classifier = Machine.fixture.classifier(0, 1, roundTrips: run.roundTrips)
    let paired = PairedRun(run, cases: 2, slices: 12, classifier: classifier, seed: 1)
    let rows = keys.indices.compactMap {
      ResultRow($0, keys[$0], baseline: 0, bounce: nil, .smt, paired, parameters)
    }
    return try CostReport(
      machine: .fixture, parameters: parameters, rows: rows, slicesDroppedBy: paired.sorter.reasons, interrupted: false
    ).document(.fixture())
  }

  @Test func aRoundTripChangesNothing() throws {
    let document = try document()
    let text = try JSONText.encode(document)
    let back = try ResultDocument.decode(text, named: "a")
    #expect(back == document)
    #expect(try JSONText.encode(back) == text)
  }

  /// A later program can test, not only compare medians.
  @Test func eachRowCarriesItsSlices() throws {
    let rows = try document().results
    #expect(rows.count == 2)
    for row in rows {
      let slices = try #require(row.slices)
      #expect(slices.map(\.round) == Array(0..<12))
      #expect(slices.map(\.dropped) == (0..<12).map { $0 == 5 ? .stolenTime : nil })
      #expect(slices.allSatisfy { $0.roundTripNs == 105 })
      #expect(row.slicesKept == 11 && row.slicesDropped == 1)
    }
    #expect(rows[1].slices?.first?.nsPerBuffer == 300.123)
    #expect(rows[1].ratioToDirect?.median == 3.001)
  }

  @Test(arguments: [
    ("", "it is not JSON"), ("{}", "it has no 'schema'"), ("{\"schema\": 3}", "reads 1 and 2"),
    ("{\"schema\": 2}", "it has no 'run'"), ("{\"schema\": 1}", "no machine"), ("[1]", "it is of another type"),
  ])
  func whatIsNoResultIsRefusedInOneLine(text: String, words: String) {
    let error = #expect(throws: BenchError.self) { try ResultDocument.decode(text, named: "a.json") }
    #expect(error?.exitCode == 2)
    #expect(
      error?.message.hasPrefix("a.json is") == true && error?.message.contains(words) == true, "\(error?.message ?? "")"
    )
    #expect(error?.message.contains("\n") == false)
  }

  @Test func shortListsStayOnOneLine() throws {
    struct Value: Codable, Equatable {
      var list = [1, 2]
      var nested = [["a, [b]: {c}", "\\\"d"], []]
      var empty: [String: Int] = [:]
    }
    let text = try JSONText.encode(Value())
    #expect(
      text == """
        {
          "empty": {},
          "list": [1, 2],
          "nested": [
            ["a, [b]: {c}", "\\\\\\"d"],
            []
          ]
        }

        """)
    #expect(try JSONDecoder().decode(Value.self, from: Data(text.utf8)) == Value())
  }

  /// Results of the time before there were slices: the first rows of three that were measured then.
  @Test(arguments: ["cost", "sweep", "ring"])
  func schemaOneIsStillRead(name: String) throws {
    let text = try #require(SystemFile.text("\(Consumer.root)/Tests/BenchReportTests/SchemaOne/\(name).json"))
    #expect(text.contains("\"schema\": 1"))
    let document = try ResultDocument.decode(text, named: name)
    #expect(document.run.subcommand == name && document.run.startedAt == "unknown")
    #expect(document.results.contains { $0.nsPerBuffer != nil && $0.slices == nil })
    #expect(document.text(TextView(isFull: true)).split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test func aCommandLineIsQuotedForAShell() {
    #expect(
      RunStart.command(["/usr/bin/ringbench", "cost", "--size", "1,2", "it's", ""])
        == "ringbench cost --size 1,2 'it'\\''s' ''")
  }

  // "instructions", "invalidations" and "notifications" end like nanoseconds.
  @Test(arguments: [
    ("kernelInstructions", "1"), ("deviceIotlbInvalidations", "1"), ("notifications", "1"), ("measuredNs", "ns"),
    ("nsPerRequest", "ns"), ("latencyNanosecondsP50", "ns"), ("requestsPerSecond", "1/s"), ("bytesCopiedIn", "bytes"),
    ("readCountersBytesCopiedIn", "bytes"), ("poolBytes", "bytes"),
  ])
  func theUnitOfAFigureGoesByTheWordsOfItsName(name: String, unit: String) {
    #expect(ResultFigure.unit(of: name) == unit)
  }
}

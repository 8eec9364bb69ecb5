#if Bench
import BenchTestSupport
import Glibc
import RingKit
import TestTraits
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

/// `--save-baseline` and `--baseline`, through the program, in a data folder of the test's own.
@Suite(.oneAtATime, .timeLimit(.minutes(15))) struct BaselineTests {
  private static let short = "cost --ring split --path identity --size 64 --slices 6 --slice-ms 0.5 --time-limit 20"

  /// Runs the program with its data below `folder`.
  private func run(_ arguments: String, in folder: String) throws -> (end: ProcessEnd, output: String, errors: String) {
    let program = try #require(RingBenchProgram.path)
    return try ProgramRun("XDG_DATA_HOME=\(folder) \(program) \(arguments)", program: "/usr/bin/env").end()
  }

  @Test func aRunIsComparedWithWhatWasSaved() throws {
    var name = Array("/tmp/ringbench-data-XXXXXX".utf8CString)
    try #require(unsafe mkdtemp(&name) != nil)
    let folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let saved = "\(folder)/ringbench/baselines/quiet.json"
    defer {
      unsafe unlink(saved)
      for path in ["ringbench/baselines", "ringbench", ""] { unsafe rmdir("\(folder)/\(path)") }
    }
    let first = try run("\(Self.short) --save-baseline quiet", in: folder)
    #expect(first.end == .exited(code: 0), "\(first.errors)")
    let document = try ResultDocument.read(saved)
    #expect(document.results.contains { $0.path == .identity })

    let second = try run("\(Self.short) --baseline quiet", in: folder)
    #expect(second.end == .exited(code: 0), "\(second.errors)")
    #expect(second.output.contains("baseline quiet"))
    // Beside JSON the comparison is on standard error.
    let third = try run("\(Self.short) --baseline quiet --format json", in: folder)
    #expect(third.end == .exited(code: 0) && third.errors.contains("baseline quiet"), "\(third.errors)")
    _ = try ResultDocument.decode(third.output, named: "third")

    // Both are refused before anything is measured.
    let unknown = try run("\(Self.short) --baseline quick", in: folder)
    #expect(unknown.end == .exited(code: 2) && unknown.output.isEmpty)
    #expect(unknown.errors.contains("there is no baseline 'quick'; there are: quiet"), "\(unknown.errors)")
    let other = try run("\(Self.short) --batch 8 --baseline quiet", in: folder)
    #expect(other.end == .exited(code: 3) && other.output.isEmpty)
    #expect(other.errors.contains("baseline 'quiet' cannot be compared with this run"), "\(other.errors)")
  }
}
#endif

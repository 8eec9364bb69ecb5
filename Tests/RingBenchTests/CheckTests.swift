#if Bench
import FoundationEssentials
import RingKit
import Testing

@testable import BenchHarness

/// `ringbench check` as a program.
@Suite struct CheckTests {
  private struct Report: Decodable {
    let cpus: [Int]
    let findings: [CheckFinding]
  }

  @Test func aCheckPasses() throws {
    let (end, output, errors) = try ProgramRun("check --format json").end()
    #expect(end == .exited(code: 0) && errors.isEmpty)
    let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
    #expect(!report.cpus.isEmpty && !report.findings.isEmpty)
  }

  @Test func strictRefusesWhatDisturbs() throws {
    let (end, output, errors) = try ProgramRun("check --strict --format json").end()
    let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
    let disturbing = report.findings.filter { $0.weight == .disturbs }
    #expect(end == .exited(code: disturbing.isEmpty ? 0 : 3))
    for finding in disturbing { #expect(errors.contains(finding.check)) }
  }
}
#endif

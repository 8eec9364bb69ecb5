import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchReport

@Suite struct CheckReportTests {
  private let fine = CheckFinding("SMT", .fine, "off")
  private let bad = CheckFinding("governor", .disturbs, "powersave on CPU 0", advice: "set another")

  @Test func aFindingIsALineAndNamesWhatToDo() {
    let text = CheckReport(cpus: [0, 1], findings: [fine, bad]).text()
    #expect(text.contains("ok        SMT       off\n"))
    #expect(text.contains("\nDISTURBS  governor  powersave on CPU 0: set another\n"))
    #expect(text.hasSuffix("\nA measurement would be disturbed by: governor.\n"))
  }

  @Test func onlyWhatDisturbsIsRefused() {
    #expect(CheckReport(cpus: [0], findings: [fine]).refusal == nil)
    #expect(CheckReport(cpus: [0], findings: [fine, bad]).refusal?.contains("governor") == true)
  }
}

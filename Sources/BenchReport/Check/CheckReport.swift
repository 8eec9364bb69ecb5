import BenchDocument
import BenchHarness

/// Everything `ringbench check` found.
package struct CheckReport: Encodable {
  private let schema = 2
  /// The CPUs it was asked about.
  let cpus: [Int]
  let findings: [CheckFinding]

  /// What a look at those CPUs found.
  package init(cpus: [Int], findings: [CheckFinding]) {
    (self.cpus, self.findings) = (cpus, findings)
  }

  /// Why `--strict` fails; `nil` when nothing would disturb a measurement.
  package var refusal: String? {
    let names = findings.filter { $0.weight == .disturbs }.map(\.check)
    return names.isEmpty ? nil : "a measurement would be disturbed by: \(names.joined(separator: ", "))"
  }

  /// A line for each finding, broken where it is too long.
  package func text(width: Int = TextWidth.standard) -> String {
    let names = findings.map(\.check.count).max() ?? 0
    var text = ""
    for finding in findings {
      let mark =
        switch finding.weight {
        case .fine: "ok"
        case .note: "note"
        case .disturbs: "DISTURBS"
        }
      text += Paragraph.text(
        finding.finding + (finding.advice.map { ": \($0)" } ?? ""),
        first: Self.padded(mark, to: 10) + Self.padded(finding.check, to: names + 2), width: width)
    }
    return text
      + (refusal.map { "\n\($0.prefix(1).uppercased())\($0.dropFirst()).\n" }
        ?? "\nNothing would disturb a measurement.\n")
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

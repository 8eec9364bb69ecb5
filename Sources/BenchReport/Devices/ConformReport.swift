import BenchDocument
import BenchHarness

/// How `ringbench conform` writes what came of the checks.
package enum ConformFormat: String, CaseIterable, Sendable, NamedChoice {
  case text
  case json
  /// What continuous integration servers read.
  case junit

  package static let noun = "format"
}

/// What came of one check; as the values of `RingKitTesting`, on which no report stands so that it is built beside it.
package struct ConformRow: Encodable {
  package enum Verdict: String, Encodable {
    case passed
    case failed
    case refused
    case notApplicable = "not applicable"
  }

  let rule: String
  let ring: String
  let features: String
  let check: String
  let verdict: Verdict
  let note: String?

  package init(rule: String, ring: String, features: String, check: String, verdict: Verdict, note: String?) {
    (self.rule, self.ring, self.features, self.check) = (rule, ring, features, check)
    (self.verdict, self.note) = (verdict, note)
  }
}

/// What came of each check of a back-end, or of a front-end.
package struct ConformReport: Encodable {
  private let schema = 1
  private let version = Version.ringKit
  /// What was checked: `device`, or `driver`.
  private let checked: String
  private let socket: String
  private let kind: String
  private let isHostile: Bool
  private let rows: [ConformRow]

  package init(socket: String, isOfDriver: Bool, kind: String, isHostile: Bool, _ rows: [ConformRow]) {
    (self.socket, self.kind, self.isHostile, self.rows) = (socket, kind, isHostile, rows)
    checked = isOfDriver ? "driver" : "device"
  }

  private func rows(_ verdict: ConformRow.Verdict) -> [ConformRow] { rows.filter { $0.verdict == verdict } }

  private static func numbers(_ rows: [ConformRow]) -> [String] {
    var numbers: [String] = []
    for row in rows where !numbers.contains(row.rule) { numbers.append(row.rule) }
    return numbers
  }

  /// Why the command fails; `nil` when no rule was seen to be broken.
  package var failure: String? {
    let failed = rows(.failed)
    if failed.isEmpty { return nil }
    return "\(failed.count) of \(rows.count) checks failed: \(Self.numbers(failed).joined(separator: ", "))"
  }

  /// A line a check, those that say nothing of this device in one line a reason, and what was sent and seen.
  package func text(width: Int = TextWidth.standard) -> String {
    var text = ""
    for ring in ["split", "packed"] {
      let shown = rows.filter { $0.ring == ring && $0.verdict != .notApplicable }
      text += TextTable.text(
        "rule|verdict|check|negotiated", shown.map { [$0.rule, $0.verdict.rawValue, $0.check, $0.features] },
        title: "\(ring) ring", indent: 0, keys: 2, width: 200)
    }
    for row in rows(.failed) + rows(.refused) {
      text += "\n" + Paragraph.text(row.note ?? "", first: "\(row.rule) \(row.verdict.rawValue): ", width: width)
    }
    text += "\nnot applicable\n"
    var reasons: [String] = []
    for row in rows(.notApplicable) where !reasons.contains(row.note ?? "") { reasons.append(row.note ?? "") }
    for reason in reasons {
      let numbers = Self.numbers(rows(.notApplicable).filter { ($0.note ?? "") == reason })
      text += Paragraph.text("\(reason): \(numbers.joined(separator: ", "))", first: "  ", width: width)
    }
    return text + "\n\(rows(.passed).count) passed, \(rows(.failed).count) failed, \(rows(.refused).count) refused, "
      + "\(rows(.notApplicable).count) not applicable\n"
  }

  /// The same for continuous integration: one suite a ring layout, one case a check; what is refused or not applicable
  /// is skipped.
  package func junit() -> String {
    var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ringbench conform\">\n"
    for ring in ["split", "packed"] {
      let cases = rows.filter { $0.ring == ring }
      func count(_ verdict: ConformRow.Verdict) -> Int { cases.filter { $0.verdict == verdict }.count }
      let skipped = count(.refused) + count(.notApplicable)
      text += "  <testsuite name=\"\(ring)\" tests=\"\(cases.count)\" failures=\"\(count(.failed))\" errors=\"0\" "
      text += "skipped=\"\(skipped)\">\n"
      for row in cases { text += Self.junit(row) }
      text += "  </testsuite>\n"
    }
    return text + "</testsuites>\n"
  }

  private static func junit(_ row: ConformRow) -> String {
    let name = "\(row.rule) \(row.check)\(row.features.isEmpty ? "" : ", \(row.features)")"
    let start = "    <testcase classname=\"conform.\(row.ring).\(row.rule)\" name=\"\(name.asMarkup)\""
    let note = (row.note ?? row.verdict.rawValue).asMarkup
    switch row.verdict {
    case .passed: return start + "/>\n"
    case .failed:
      return start + ">\n      <failure message=\"\(note)\"/>\n    </testcase>\n"
    default: return start + ">\n      <skipped message=\"\(row.verdict.rawValue): \(note)\"/>\n    </testcase>\n"
    }
  }
}

import BenchHarness
import BenchPaths

/// How a report is written.
package enum OutputFormat: String, CaseIterable, Sendable, NamedChoice {
  case text
  case json

  package static let noun = "format"
}

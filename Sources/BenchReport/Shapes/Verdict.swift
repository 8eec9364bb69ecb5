import BenchHarness
import BenchPaths

/// How a shape came out.
package enum Verdict: String, Encodable, Sendable {
  case agrees
  case differs
  case cannotBeShown = "cannot be shown here"
}

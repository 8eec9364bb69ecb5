#if Bench
import BenchHarness
import BenchPaths
import BenchReport

/// A setting that a sweep can try both ways.
enum Switch: String, CaseIterable, Sendable, NamedChoice {
  case off
  case on

  static let noun = "setting"

  var isOn: Bool { self == .on }
}
#endif

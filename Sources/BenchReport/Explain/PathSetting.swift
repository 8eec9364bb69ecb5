import BenchHarness
import BenchPaths

/// One thing to write on a command line, in a domain's XML or on a kernel's command line, and who documents it.
package struct PathSetting: Codable, Equatable, Sendable {
  /// As it is written.
  package let text: String
  /// What it does for the path.
  package let effect: String
  /// Where that is documented: a file or a page, by name.
  package let source: String

  package init(_ text: String, _ effect: String, source: String) {
    self.text = text
    self.effect = effect
    self.source = source
  }
}

import BenchHarness
import BenchPaths

/// Everything `ringbench explain` tells.
package struct ExplainReport: Codable, Equatable, Sendable {
  package var schema = 1
  package let paths: [PathExplanation]

  package init(schema: Int = 1, paths: [PathExplanation]) {
    self.schema = schema
    self.paths = paths
  }
}

import BenchHarness
import BenchPaths

/// What a reader needs to know of one DMA path before its figures mean something.
package struct PathExplanation: Codable, Equatable, Sendable {
  /// The path's name on the command line, in the JSON and in the tables.
  package let path: String
  /// One line, for the table of all paths.
  package let summary: String
  /// What the path is a model of.
  package let standsFor: String
  /// Whether settings alone put a guest of today on it.
  package let hasSwitch: Bool
  /// How to get there, or why one cannot.
  package let howTo: String
  package let qemu: [PathSetting]
  package let libvirt: [PathSetting]
  package let kernel: [PathSetting]
  package let protects: [String]
  package let leavesOpen: [String]
  /// Where the path came from: the thread of August 2018, or who proposed it since.
  package let origin: String
}

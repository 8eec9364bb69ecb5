/// What a reader needs to know of one DMA path before its figures mean something.
struct PathExplanation: Codable, Equatable, Sendable {
  /// The path's name on the command line, in the JSON and in the tables.
  let path: String
  /// One line, for the table of all paths.
  let summary: String
  /// What the path is a model of.
  let standsFor: String
  /// Whether settings alone put a guest of today on it.
  let hasSwitch: Bool
  /// How to get there, or why one cannot.
  let howTo: String
  let qemu: [PathSetting]
  let libvirt: [PathSetting]
  let kernel: [PathSetting]
  let protects: [String]
  let leavesOpen: [String]
  /// Where the path came from: the thread of August 2018, or who proposed it since.
  let origin: String
}

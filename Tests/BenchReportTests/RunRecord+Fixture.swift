@testable import BenchDocument
@testable import BenchPage
@testable import BenchReport

extension RunRecord {
  /// A run that never was.
  static func fixture(of subcommand: String = "cost") -> RunRecord {
    RunRecord(
      startedAt: "2026-11-29T05:12:00Z", durationSeconds: 42.5, host: "host", subcommand: subcommand,
      command: "ringbench \(subcommand)", commit: String(repeating: "a", count: 40), version: "0.1.0",
      toolchain: "Swift 6.3",
      seed: "1", loadBefore: 0.5, loadAfter: 1.5)
  }
}

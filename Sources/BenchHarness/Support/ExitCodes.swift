/// Exit codes beyond those of ``BenchError``.
package enum ExitCodes {
  /// What a shell reports for a process that SIGINT ended (128 + 2).
  package static let interrupted: Int32 = 130
}

/// Exit codes beyond those of ``BenchError``.
enum ExitCodes {
  /// What a shell reports for a process that SIGINT ended (128 + 2).
  static let interrupted: Int32 = 130
}

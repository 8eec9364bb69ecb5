/// Which threads serve the ends of several queues.
enum QueueThreads: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// One thread for all driver ends and one for all device ends, each taking the queues in turn.
  case pair
  /// A thread and a CPU for each end.
  case own

  static let noun = "choice of threads"
}

/// What became of the maps of one exhausted queue.
struct ExhaustTally: Equatable, Sendable {
  /// Maps tried, those that failed included.
  var attempts = 0
  /// Maps that failed for want of slots.
  var failures = 0
  /// Attempts for a buffer that had failed before.
  var retries = 0
  /// Buffers whose first attempt failed.
  var delayedBuffers = 0
  /// The most attempts one buffer took.
  var mostAttempts = 0
  /// The most buffers that were outstanding: what is left of the depth.
  var mostOutstanding = 0
  /// Buffers that came back, in order and with every byte right.
  var delivered = 0
}

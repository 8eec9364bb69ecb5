/// What a block device's load is.
struct BlockPlan: Sendable {
  let requests: Int
  let bytes: Int
  let depth: Int
  let verifies: Bool
  let hasFlush: Bool
  /// Requests of one round, each at a place of its own.
  let window: Int
  let payload: PayloadPool

  /// Of one request.
  var sectors: UInt64 { UInt64(bytes / 512) }
}

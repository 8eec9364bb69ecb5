/// How often a front-end did what.
public struct FrontendCounts: Equatable, Sendable {
  /// Misses that the back-end asked about.
  public var misses: UInt64 = 0
  /// Misses of an address where nothing is mapped, which got no answer.
  public var unmappedMisses: UInt64 = 0
  /// Translations given.
  public var updates: UInt64 = 0
  /// Ranges taken back.
  public var invalidations: UInt64 = 0
  /// Accesses that the back-end reports as refused.
  public var refusedAccesses: UInt64 = 0
  /// Messages sent on the connection, whatever they are.
  public var messages: UInt64 = 0

  /// All zero.
  public init() {}
}

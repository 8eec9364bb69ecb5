/// How often a front-end did what.
public struct FrontendCounts: Equatable, Sendable {
  /// Misses that the back-end asked about.
  public var misses: UInt64 = 0
  /// Misses of an address where nothing is mapped, or not for that access; they got no answer.
  public var unmappedMisses: UInt64 = 0
  /// Translations given.
  public var updates: UInt64 = 0
  /// Translations given before they were asked for (``AnnouncingMapper``).
  public var announcements: UInt64 = 0
  /// Those among both that permit more than the page table says (``VhostUserFrontend/grantsReadWithWrite``).
  public var widenedUpdates: UInt64 = 0
  /// Ranges taken back.
  public var invalidations: UInt64 = 0
  /// Accesses that the back-end reports as refused.
  public var refusedAccesses: UInt64 = 0
  /// Successors of back-ends that were gone, tried ones among them.
  public var reconnections: UInt64 = 0
  /// Messages sent on the connection, whatever they are.
  public var messages: UInt64 = 0

  /// All zero.
  public init() {}
}

/// What a path remembers that has nothing to undo.
@frozen
public struct NoMapping: BitwiseCopyable, Sendable {
  /// Nothing.
  @inlinable
  public init() {}
}

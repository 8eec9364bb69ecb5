/// What is remembered of a segment that may share a mapping with others.
@frozen
public struct FragmentMapping<Base: BitwiseCopyable>: BitwiseCopyable {
  /// The segment's own mapping, where it has one.
  @usableFromInline let own: Base
  /// Its fragment's record; -1 for a mapping of its own.
  @usableFromInline let record: Int

  @inlinable
  init(own: Base, record: Int) {
    self.own = own
    self.record = record
  }
}

extension FragmentMapping: Sendable where Base: Sendable {}

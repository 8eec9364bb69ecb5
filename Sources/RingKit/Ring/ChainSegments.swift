/// The stretches of memory a chain is made of, lent to a device's body while it serves the chain.
///
/// The single stretch of most chains is held here; those of others lie in the queue's table.
@frozen
public struct ChainSegments: ~Escapable {
  /// How many there are; 0 for a chain without a byte.
  public let count: Int
  @usableFromInline let first: TranslatedSegment
  @usableFromInline let table: Span<TranslatedSegment>

  /// One stretch.
  @inlinable @inline(__always)
  @_lifetime(immortal)
  init(_ only: TranslatedSegment) {
    count = 1
    first = only
    table = Span()
  }

  /// All of `table`.
  @inlinable @inline(__always)
  @_lifetime(copy table)
  init(_ table: Span<TranslatedSegment>) {
    count = table.count
    first = .empty
    self.table = table
  }

  /// The positions, in the chain's order.
  @inlinable
  public var indices: Range<Int> { 0..<count }

  /// The stretch at a position below ``count``.
  @inlinable
  public subscript(index: Int) -> TranslatedSegment {
    table.isEmpty && index == 0 && count == 1 ? first : table[index]
  }
}

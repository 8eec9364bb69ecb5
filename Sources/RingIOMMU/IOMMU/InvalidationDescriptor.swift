/// One slot of the invalidation queue: 16 bytes, a kind and what it needs.
@frozen
@usableFromInline
struct InvalidationDescriptor: BitwiseCopyable, Sendable, Equatable {
  // Bits 0...7: the kind. Bits 8...15: log2 of the pages.
  @usableFromInline var head: UInt64
  // The first page, or the value for the status word.
  @usableFromInline var body: UInt64

  @inlinable
  init(head: UInt64, body: UInt64) {
    self.head = head
    self.body = body
  }

  static let pagesKind: UInt64 = 1
  static let domainKind: UInt64 = 2
  static let waitKind: UInt64 = 5

  var kind: UInt64 { head & 0xff }
  var order: UInt64 { head >> 8 & 0xff }

  /// Forget 2^`order` pages from `page` on.
  @inlinable @inline(__always)
  static func pages(_ page: UInt64, order: UInt64) -> InvalidationDescriptor {
    InvalidationDescriptor(head: 1 | order << 8, body: page)
  }

  /// Forget everything.
  @inlinable @inline(__always)
  static func domain() -> InvalidationDescriptor { InvalidationDescriptor(head: 2, body: 0) }

  /// Write `value` into the status word once everything before is done.
  static func wait(_ value: UInt64) -> InvalidationDescriptor { InvalidationDescriptor(head: waitKind, body: value) }
}

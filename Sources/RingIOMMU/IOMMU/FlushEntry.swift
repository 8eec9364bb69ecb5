/// A range whose entries are cleared and whose invalidation is still to come.
@frozen
@usableFromInline
struct FlushEntry: BitwiseCopyable {
  @usableFromInline var page: UInt64
  @usableFromInline var pages: UInt64
  // Flushes begun when it was queued: more than that must have finished before the range is free.
  @usableFromInline var begun: UInt64

  @inlinable
  init(page: UInt64, pages: UInt64, begun: UInt64) {
    self.page = page
    self.pages = pages
    self.begun = begun
  }
}

/// One buffer that is mapped for good.
@frozen
@usableFromInline
struct PremappedWindow: BitwiseCopyable {
  // What segments may lie in, and the IOVA of its first byte.
  @usableFromInline var guestBase: UInt64 = 0
  @usableFromInline var byteCount: UInt64 = 0
  @usableFromInline var iovaBase: UInt64 = 0
  // What was allocated: its first page and size.
  var page: UInt64 = 0
  var pages: UInt64 = 0

  init() {}
}

/// A buffer that is cut into fragments.
@frozen
@usableFromInline
struct FragmentWindow: BitwiseCopyable {
  @usableFromInline let guestBase: UInt64
  @usableFromInline let byteCount: UInt64
  // The number of the fragment that the buffer starts in, and of its first record.
  @usableFromInline let firstFragment: UInt64
  @usableFromInline let firstRecord: Int

  init(guestBase: UInt64, byteCount: UInt64, firstFragment: UInt64, firstRecord: Int) {
    self.guestBase = guestBase
    self.byteCount = byteCount
    self.firstFragment = firstFragment
    self.firstRecord = firstRecord
  }
}

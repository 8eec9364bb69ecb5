/// A buffer that is cut into fragments.
@frozen
@usableFromInline
struct FragmentWindow: BitwiseCopyable {
  @usableFromInline let guestBase: UInt64
  @usableFromInline let byteCount: UInt64
  // The number of the fragment that the buffer starts in, and of its first record.
  @usableFromInline let firstFragment: UInt64
  @usableFromInline let firstRecord: Int
}

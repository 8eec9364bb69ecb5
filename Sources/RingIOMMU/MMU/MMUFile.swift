/// A region whose memfd can be shown in a window.
@usableFromInline
struct MMUFile: BitwiseCopyable {
  let guestBase: UInt64
  let byteCount: UInt64
  let fileDescriptor: Int32
}

internal import CRing
internal import Glibc

/// The file or block device behind a disk.
///
/// One thread's. Reads and writes go straight between the file and the guest's memory, and are done when they return.
final class BlockImage {
  let byteCount: UInt64
  let isReadOnly: Bool
  private let fileDescriptor: Int32

  init(path: String, isReadOnly: Bool) throws(VhostUserError) {
    let made = unsafe open(path, (isReadOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC)
    guard made >= 0 else { throw .system(operation: "opening \(path)", errno: errno) }
    let end = lseek(made, 0, SEEK_END)
    guard end >= 0 else {
      let error = errno
      close(made)
      throw .system(operation: "asking for the size of \(path)", errno: error)
    }
    fileDescriptor = made
    byteCount = UInt64(end)
    self.isReadOnly = isReadOnly
  }

  deinit { close(fileDescriptor) }

  /// Fills the vectors from the file; 0 or an errno, EIO when the file has become shorter.
  func read(_ vectors: [iovec], at offset: UInt64) -> Int32 {
    unsafe transfer(vectors, at: offset) { unsafe preadv(fileDescriptor, $0, $1, $2) }
  }

  /// Writes the vectors to the file; 0 or an errno.
  func write(_ vectors: [iovec], at offset: UInt64) -> Int32 {
    unsafe transfer(vectors, at: offset) { unsafe pwritev(fileDescriptor, $0, $1, $2) }
  }

  /// Makes what was written last.
  func flush() -> Int32 { fdatasync(fileDescriptor) == 0 ? 0 : errno }

  /// Gives the blocks of a range back, or with `mayUnmap` false only makes them read as zeros.
  func clear(at offset: UInt64, byteCount: UInt64, mayUnmap: Bool) -> Int32 {
    let error = cring_file_clear(fileDescriptor, offset, byteCount, mayUnmap ? 1 : 0)
    if error != EOPNOTSUPP { return error }
    // A file system without it: written.
    let zeros = [UInt8](repeating: 0, count: Int(min(byteCount, 1 << 20)))
    var done: UInt64 = 0
    while done < byteCount {
      let count = Int(min(byteCount - done, UInt64(zeros.count)))
      let written = unsafe pwrite(fileDescriptor, zeros, count, off_t(offset + done))
      guard written > 0 else { return written == 0 ? EIO : errno }
      done += UInt64(written)
    }
    return 0
  }

  /// Most vectors that one call takes (UIO_MAXIOV).
  private static let mostVectors = 1024

  private func transfer(
    _ vectors: [iovec], at offset: UInt64, _ call: (UnsafePointer<iovec>?, Int32, off_t) -> Int
  ) -> Int32 {
    var (first, place) = (0, off_t(offset))
    var rest = unsafe vectors
    while unsafe first < rest.count {
      let count = unsafe min(rest.count - first, Self.mostVectors)
      var moved = unsafe rest.withUnsafeBufferPointer { buffer in
        unsafe call(buffer.baseAddress.map { unsafe $0 + first }, Int32(count), place)
      }
      if moved < 0 && errno == EINTR { continue }
      guard moved > 0 else { return moved == 0 ? EIO : errno }
      place += off_t(moved)
      while moved > 0 {
        let length = unsafe rest[first].iov_len
        if moved >= length {
          moved -= length
          first += 1
        } else {
          unsafe rest[first].iov_base = unsafe rest[first].iov_base.map { unsafe $0 + moved }
          unsafe rest[first].iov_len = length - moved
          moved = 0
        }
      }
    }
    return 0
  }
}

internal import CRing
internal import Glibc
internal import RingKit

/// The file or block device behind a disk.
///
/// Several threads may read, write, clear and flush at once; the rest is one thread's. Reads and writes go straight
/// between the file and the guest's memory, and have reached the kernel's cache when they return; ``flush()`` makes
/// them stable. It is locked as QEMU locks its images, for as long as it is open or, where another device is to have it
/// after this one, from ``lock()`` to ``unlock()``.
final class BlockImage {
  let byteCount: UInt64
  let isReadOnly: Bool
  /// Whether blocks can be given back; not known to fail, of a block device.
  let canDiscard: Bool
  /// Times it was made stable, and why it could not be, the first time.
  private var flushes: (count: Int, error: Int32) = (0, 0)
  private let flushLock = SystemLock()
  private let fileDescriptor: Int32
  private var isLocked: Bool
  /// Makes the file behind a descriptor stable: 0, or an errno.
  var synchronize: (Int32) -> Int32 = cring_file_sync
  private static let zeros = [UInt8](repeating: 0, count: 1 << 16)

  init(path: String, isReadOnly: Bool, isLocked: Bool = true) throws(BlockImageError) {
    // Before it is opened: a FIFO would wait for its other end, and a device may do something.
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw .system(operation: "opening \(path)", errno: errno) }
    try Self.check(status)
    var made: Int32
    repeat {
      made = unsafe open(path, (isReadOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC)
    } while made < 0 && errno == EINTR
    guard made >= 0 else { throw .system(operation: "opening \(path)", errno: errno) }
    do throws(BlockImageError) {
      guard unsafe fstat(made, &status) == 0 else { throw .system(operation: "opening \(path)", errno: errno) }
      try Self.check(status)
      if isLocked { try Self.lock(made, isReadOnly) }
      let end = lseek(made, 0, SEEK_END)
      guard end >= 0 else { throw .system(operation: "asking for the size of \(path)", errno: errno) }
      byteCount = UInt64(end)
    } catch {
      close(made)
      throw error
    }
    fileDescriptor = made
    self.isReadOnly = isReadOnly
    self.isLocked = isLocked
    // A hole behind the end changes nothing, where holes are known at all.
    canDiscard =
      !isReadOnly
      && (status.st_mode & S_IFMT == S_IFBLK
        || !Self.isUnsupported(cring_file_clear(made, (byteCount | 4095) + 1, 4096, 1)))
  }

  deinit { close(fileDescriptor) }

  private static func lock(_ file: Int32, _ isReadOnly: Bool) throws(BlockImageError) {
    let error = cring_file_lock_image(file, isReadOnly ? 0 : 1)
    guard error == 0 else { throw error == EAGAIN ? .inUse : .system(operation: "locking the image", errno: error) }
  }

  /// Takes an image that no other open file has.
  ///
  /// - Throws: ``BlockImageError/inUse``; ``BlockImageError/shrunk(to:from:)`` of one whose size is not what a driver
  ///   was told.
  func lock() throws(BlockImageError) {
    if isLocked { return }
    do throws(BlockImageError) {
      try Self.lock(fileDescriptor, isReadOnly)
      let end = lseek(fileDescriptor, 0, SEEK_END)
      guard end == off_t(byteCount) else { throw .shrunk(to: UInt64(max(end, 0)), from: byteCount) }
    } catch {
      cring_file_unlock(fileDescriptor)
      throw error
    }
    isLocked = true
  }

  /// Lets another have the image, with all that was written.
  ///
  /// - Throws: what ``flush()`` throws; it is let go all the same.
  func unlock() throws(BlockImageError) {
    guard isLocked else { return }
    defer {
      cring_file_unlock(fileDescriptor)
      isLocked = false
    }
    if !isReadOnly { try flush() }
  }

  private static func check(_ status: stat) throws(BlockImageError) {
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFBLK: return
    case S_IFDIR: throw .notADisk("a directory")
    case S_IFIFO: throw .notADisk("a pipe")
    case S_IFCHR: throw .notADisk("a character device")
    default: throw .notADisk("a socket")
    }
  }

  /// Reads into the vectors, not all of them perhaps.
  ///
  /// - Returns: how many bytes.
  func read(_ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64) throws(BlockImageError) -> Int {
    let count = unsafe cring_file_read(fileDescriptor, vectors.baseAddress, Int32(vectors.count), offset)
    guard count != 0 else { throw .shrunk(to: UInt64(max(lseek(fileDescriptor, 0, SEEK_END), 0)), from: byteCount) }
    guard count > 0 else { throw .system(operation: "reading the image", errno: Int32(-count)) }
    return Int(count)
  }

  /// Writes from the vectors, not all of them perhaps.
  ///
  /// - Returns: how many bytes.
  func write(_ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64) throws(BlockImageError) -> Int {
    let count = unsafe cring_file_write(fileDescriptor, vectors.baseAddress, Int32(vectors.count), offset)
    guard count > 0 else { throw .system(operation: "writing the image", errno: count == 0 ? EIO : Int32(-count)) }
    return Int(count)
  }

  /// Makes what was written stable.
  ///
  /// The kernel reports once what it could not write, and drops it: after a failure no later call can promise
  /// anything about what was written before, so each of them fails until the image is opened anew.
  ///
  /// One at a time, therefore: of two at once the kernel would tell one that all is well.
  func flush() throws(BlockImageError) {
    let error = flushLock.withLock {
      flushes.count += 1
      if flushes.error == 0 { flushes.error = synchronize(fileDescriptor) }
      return flushes.error
    }
    guard error == 0 else { throw .system(operation: "flushing the image", errno: error) }
  }

  /// Times it was made stable.
  var flushCount: Int { flushLock.withLock { flushes.count } }

  /// Gives the blocks of a range back; nothing where the file system cannot, for a discard is a hint.
  ///
  /// - Returns: how many bytes of it are done.
  func discard(at offset: UInt64, byteCount: UInt64) throws(BlockImageError) -> UInt64 {
    let count = min(byteCount, Self.mostCleared)
    let error = cring_file_clear(fileDescriptor, offset, count, 1)
    if Self.isUnsupported(error) { return byteCount }
    guard error == 0 else { throw .system(operation: "discarding blocks of the image", errno: error) }
    return count
  }

  /// Makes the beginning of a range read as zeros.
  ///
  /// - Parameters:
  ///   - offset: where the range begins.
  ///   - byteCount: its length.
  ///   - mayUnmap: whether its blocks may be given back.
  /// - Returns: how many bytes of it are done.
  /// - Throws: ``BlockImageError/system(operation:errno:)``.
  func clear(at offset: UInt64, byteCount: UInt64, mayUnmap: Bool) throws(BlockImageError) -> UInt64 {
    let count = min(byteCount, Self.mostCleared)
    let error = cring_file_clear(fileDescriptor, offset, count, mayUnmap ? 1 : 0)
    guard Self.isUnsupported(error) else {
      guard error == 0 else { throw .system(operation: "writing zeros to the image", errno: error) }
      return count
    }
    let length = Int(min(byteCount, UInt64(Self.zeros.count) * 16))
    let written = unsafe Self.zeros.withUnsafeBytes { bytes in
      var vectors: [iovec] = unsafe []
      let base = unsafe UnsafeMutableRawPointer(mutating: bytes.baseAddress)
      for start in stride(from: 0, to: length, by: bytes.count) {
        unsafe vectors.append(iovec(iov_base: base, iov_len: min(bytes.count, length - start)))
      }
      return unsafe cring_file_write(fileDescriptor, vectors, Int32(vectors.count), offset)
    }
    guard written > 0 else {
      throw .system(operation: "writing zeros to the image", errno: written == 0 ? EIO : Int32(-written))
    }
    return UInt64(written)
  }

  /// Bytes that are cleared by one system call at most: where it takes time, that is for each page.
  private static var mostCleared: UInt64 { 64 << 20 }

  /// EINVAL is what block devices say of ranges that are not whole blocks of theirs, EPERM what a sandbox says.
  private static func isUnsupported(_ error: Int32) -> Bool {
    [EOPNOTSUPP, ENOSYS, EINVAL, EPERM].contains(error)
  }
}

/// What is wrong with a disk's image.
public enum BlockImageError: Error, Equatable, Sendable {
  /// The kernel refused `operation`.
  case system(operation: String, errno: Int32)
  /// The path leads to something that is neither a file nor a block device.
  case notADisk(String)
  /// It has so many bytes, which is not one whole block of that many.
  case tooSmall(byteCount: UInt64, blockByteCount: UInt32)
  /// It is not a whole number of blocks of that many bytes.
  case partialBlock(byteCount: UInt64, blockByteCount: UInt32)
  /// Another process, or this one, has it open as a disk, and one of the two writes to it.
  case inUse
  /// It has another size than when it was opened.
  case shrunk(to: UInt64, from: UInt64)
}

extension BlockImageError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .system(let operation, let errno): "\(operation) failed: \(SystemError.text(errno))"
    case .notADisk(let kind): "it is \(kind); a disk is a file or a block device"
    case .tooSmall(let count, let block): "it has \(count) bytes; a disk has at least one block of \(block)"
    case .partialBlock(let count, let block): "its \(count) bytes are not a whole number of blocks of \(block)"
    case .inUse: "it is in use as a disk already, and one of the two users writes"
    case .shrunk(let count, let before): "the image has \(count) bytes now, not \(before)"
    }
  }
}

/// A lock of the system's own, which may be held while the kernel waits for a disk.
@safe
private final class SystemLock {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { unsafe pthread_mutex_init(mutex, nil) }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  func withLock<Value>(_ body: () -> Value) -> Value {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }
}

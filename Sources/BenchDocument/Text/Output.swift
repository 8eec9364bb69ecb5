import BenchHarness
import FoundationEssentials
import Glibc

extension OutputFile {
  /// Writes to a file, or to standard output where there is none.
  package static func deliver(_ text: String, to file: OutputFile?) throws(BenchError) {
    if let file { return try file.write(text) }
    let error = StandardStream.output.write(text)
    guard error == 0 else { throw .usage("cannot write to standard output: \(Errno.text(error))") }
  }
}

/// A report's destination that is either complete or untouched.
///
/// Checked before anything is measured; written to a temporary file beside it and renamed over it at the end. What is
/// not a regular file (a pipe, `/dev/stdout`) is written directly.
package struct OutputFile: Sendable {
  package let path: String
  private let target: String
  private let isDirect: Bool

  /// The file of an option that may be absent.
  package static func checked(_ path: String?) throws(BenchError) -> OutputFile? {
    guard let path else { return nil }
    return try OutputFile(checking: path)
  }

  /// Refuses a path that could not be written.
  package init(checking path: String) throws(BenchError) {
    guard !path.isEmpty else { throw .usage("--output needs a file name") }
    guard path != "-" else {
      throw .usage("'-' is no file: a report goes to standard output by itself (a file of that name is ./-)")
    }
    self.path = path
    var status = stat()
    let exists = unsafe stat(path, &status) == 0
    let kind = status.st_mode & S_IFMT
    if exists, kind == S_IFDIR { throw .usage("cannot write \(path): it is a directory; name a file in it") }
    // A redirected /dev/stdout looks like the file it goes to, which must not be replaced under its other writers.
    isDirect = exists && (kind != S_IFREG || path.hasPrefix("/dev/") || path.hasPrefix("/proc/"))
    // A link keeps pointing where it does: the file behind it is replaced, not the link.
    target = exists && !isDirect ? Self.resolved(path) : path
    if exists, unsafe access(target, W_OK) != 0 { throw .usage("cannot write \(path): \(Errno.text(errno))") }
    if !isDirect {
      let probe = try Self.openTemporary(beside: target, for: path)
      close(probe.descriptor)
      unsafe unlink(probe.path)
    }
  }

  /// Whether both would write one file; what takes all there is, as /dev/null does, is none.
  package func isSame(as other: OutputFile) -> Bool {
    var (mine, others) = (stat(), stat())
    let (isHere, isThere) = (unsafe stat(path, &mine) == 0, unsafe stat(other.path, &others) == 0)
    guard isHere && isThere else { return !isHere && !isThere && Self.location(path) == Self.location(other.path) }
    return Self.isOne(mine, others)
  }

  /// Whether it would write where a report goes that has no file.
  package var isStandardOutput: Bool {
    var (mine, output) = (stat(), stat())
    let isHere = unsafe stat(path, &mine) == 0 && fstat(StandardStream.output.rawValue, &output) == 0
    return isHere && Self.isOne(mine, output)
  }

  private static func isOne(_ a: stat, _ b: stat) -> Bool {
    a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode & S_IFMT != S_IFCHR
  }

  /// A path of a file that is not there yet, without links and dots in its folder.
  private static func location(_ path: String) -> String {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { path[...$0] } ?? "./"
    return resolved(String(folder)) + "/" + path[(slash.map { path.index(after: $0) } ?? path.startIndex)...]
  }

  /// Puts `text` there, or leaves what was there.
  package func write(_ text: String) throws(BenchError) {
    if isDirect {
      let descriptor = unsafe open(target, O_WRONLY | O_APPEND | O_CLOEXEC)
      guard descriptor >= 0 else { throw failure(errno) }
      defer { close(descriptor) }
      let error = FileWrite.all(Array(text.utf8), to: descriptor)
      guard error == 0 else { throw failure(error) }
      return
    }
    let temporary = try Self.openTemporary(beside: target, for: path)
    var error = FileWrite.all(Array(text.utf8), to: temporary.descriptor)
    // Before the rename, or a crash could leave the name with nothing behind it; some file systems have no such call.
    while error == 0, fsync(temporary.descriptor) != 0 {
      if [EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) { break }
      if errno != EINTR { error = errno }
    }
    close(temporary.descriptor)
    if error == 0, unsafe rename(temporary.path, target) != 0 { error = errno }
    guard error == 0 else {
      unsafe unlink(temporary.path)
      throw failure(error)
    }
  }

  private func failure(_ error: Int32) -> BenchError { .usage("cannot write \(path): \(Errno.text(error))") }

  private static func openTemporary(
    beside target: String, for path: String
  ) throws(BenchError) -> (descriptor: Int32, path: String) {
    for attempt in 0..<100 {
      // In containers processes have the same number again and again, and one that was killed leaves its file behind.
      let temporary = "\(target).\(getpid())\(attempt == 0 ? "" : "-\(attempt)").tmp"
      let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      if descriptor >= 0 { return (descriptor, temporary) }
      if errno != EEXIST { break }
    }
    throw .usage("cannot write \(path): \(Errno.text(errno))")
  }

  private static func resolved(_ path: String) -> String {
    guard let real = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }
}

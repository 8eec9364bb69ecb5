#if Bench
import Glibc
import RingIOMMU
import RingKit
import Testing

@testable import BenchHarness

/// `ringbench` run as a program: its exit code and what it printed.
final class ProgramRun {
  let process: ChildProcess
  private let output: String
  private let errors: String

  /// Runs `ringbench`, or another program; without the standard streams that are `closed`.
  init(_ line: String, program: String? = RingBenchProgram.path, closed: [Int32] = []) throws {
    let program = try #require(program, "there is no ringbench beside the tests")
    var name = Array("/tmp/ringbench-run-XXXXXX".utf8CString)
    try #require(unsafe mkdtemp(&name) != nil)
    let folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    (output, errors) = ("\(folder)/output", "\(folder)/errors")
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, path) in [(1, output), (2, errors)] as [(Int32, String)] {
      unsafe posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT, 0o600)
    }
    for descriptor in closed { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
    let words = [program] + line.split(separator: " ").map { String($0) }
    var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { for i in words.indices { unsafe free(arguments[i]) } }
    var child: pid_t = 0
    let error = unsafe posix_spawn(&child, program, &actions, nil, &arguments, environ)
    try #require(error == 0)
    process = ChildProcess(watching: child)
  }

  deinit {
    unsafe unlink(output)
    unsafe unlink(errors)
    unsafe rmdir(String(output.dropLast("/output".count)))
  }

  /// Its children that run.
  var children: [pid_t] {
    let tasks = "/proc/\(process.processIdentifier)/task"
    // Each thread has its own.
    return SystemFile.names(in: tasks).flatMap { thread in
      (SystemFile.text("\(tasks)/\(thread)/children") ?? "").split(separator: " ").compactMap { pid_t($0) }
    }
  }

  /// Waits until a process is at work: it has so many threads, and used the CPU for a while since.
  ///
  /// A program that stays on its first thread is not built for speed here and reads its arguments for half a second.
  /// Ends as well when the process does.
  static func waitUntilBusy(_ process: pid_t, threads: Int = 2) {
    func used() -> Int {
      var (clock, time) = (clockid_t(), timespec())
      guard unsafe clock_getcpuclockid(process, &clock) == 0, unsafe clock_gettime(clock, &time) == 0 else {
        return .max
      }
      return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
    while used() != .max, SystemFile.names(in: "/proc/\(process)/task").count < threads { usleep(1000) }
    let (start, enough) = (used(), threads == 1 ? 1_500_000_000 : 20_000_000)
    while used() != .max, used() - start < enough { usleep(1000) }
  }

  /// Waits until a socket at a path can be connected to, or the process has ended.
  ///
  /// The path is there a moment before: a socket is bound first.
  func waitUntilListening(at path: String) {
    // The flags of one that listens (__SO_ACCEPTCON).
    while process.end == nil,
      !SystemFile.lines("/proc/net/unix").contains(where: { $0.hasSuffix(" \(path)") && $0.contains(" 00010000 ") })
    { usleep(10_000) }
  }

  /// What it said on standard error so far.
  var errorsSoFar: String { SystemFile.text(errors) ?? "" }

  /// Its exit code, and what it said, once it has ended.
  func end() -> (end: ProcessEnd, output: String, errors: String) {
    let end = process.wait()
    return (end, SystemFile.text(output) ?? "", SystemFile.text(errors) ?? "")
  }
}

/// The program that was built along with these tests: it lies beside their bundle.
enum RingBenchProgram {
  static let path: String? = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").map { arguments[$0 + 1] } ?? arguments[0]
    var folder = bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)]
    // A bundle may be a folder with the program inside.
    while !folder.isEmpty {
      let path = "\(folder)/ringbench"
      if unsafe access(path, X_OK) == 0 { return path }
      folder = folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]
    }
    return nil
  }()
}
#endif

#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import CRing
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// A program started with its output in a file; ended, however this value goes away.
struct GuestProgram: ~Copyable {
  let log: String
  let child: ChildProcess

  /// Starts it, looked for on the PATH.
  ///
  /// - Parameters:
  ///   - arguments: its name first.
  ///   - log: gets standard output and standard error.
  /// - Throws: ``BenchError/machine(_:)`` when there is no shell.
  init(_ arguments: [String], log: String) throws(BenchError) {
    self.log = log
    // The shell opens the files and then becomes the program: what is killed is the program itself.
    let line = "exec " + arguments.map(Self.quoted).joined(separator: " ") + " </dev/null >\(Self.quoted(log)) 2>&1"
    var strings: [CChar] = []
    for text in ["/bin/sh", "-c", line] { strings += text.utf8CString }
    var pid: Int32 = 0
    let error = unsafe cring_child_start("/bin/sh", strings, 3, [], 0, &pid)
    guard error == 0 else { throw .machine("\(arguments[0]) cannot be started: \(Errno.text(error))") }
    child = ChildProcess(watching: pid)
  }

  /// How it ended, or `nil` while it runs.
  var end: ProcessEnd? { child.end }

  /// Waits for the end: until the time is up, Ctrl-C, or the end of what it cannot go on without.
  borrowing func waitForEnd(_ seconds: Double, needing other: ChildProcess? = nil) -> ProcessEnd? {
    let late = cring_nanoseconds() &+ UInt64(seconds * 1e9)
    while cring_nanoseconds() < late, !Interrupt.isRequested {
      if let end = child.end { return end }
      if other?.end != nil { break }
      usleep(20_000)
    }
    // QEMU sees the other end go a moment before it has ended itself.
    if other?.end != nil { usleep(500_000) }
    return child.end
  }

  /// The last line it wrote, for a refusal that names the reason.
  var lastWords: String {
    SystemFile.lines(log).last { !$0.isEmpty }.map(String.init) ?? "it said nothing"
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
#endif

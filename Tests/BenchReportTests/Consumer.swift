import Glibc

@testable import BenchHarness

/// A program that reads what ringbench writes, where this machine has it.
enum Consumer {
  /// The package's folder.
  static let root: String = {
    var path = #filePath[...]
    for _ in 0..<3 { path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)] }
    return String(path)
  }()

  /// The Python that `Scripts/consumers.sh` has put the modules into, or the system's.
  static let python: String = {
    let own = "\(root)/.build/consumers/bin/python3"
    return SystemFile.exists(own) ? own : "python3"
  }()

  /// Whether a line of the shell ends well.
  static func succeeds(_ line: String) -> Bool { unsafe system("(\(line)) >/dev/null 2>&1") == 0 }

  static func hasModule(_ name: String) -> Bool { succeeds("\(python) -c 'import \(name)'") }

  /// What a line of the shell says on both outputs, with `text` in a file whose path is in the variable F.
  static func run(_ line: String, on text: String, ending: String = "txt") -> (code: Int32, output: String) {
    let folder = "/tmp/ringbench-consumer-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    unsafe mkdir(folder, 0o755)
    let (file, output) = ("\(folder)/in.\(ending)", "\(folder)/out")
    defer {
      for name in SystemFile.names(in: folder) { unsafe unlink("\(folder)/\(name)") }
      unsafe rmdir(folder)
    }
    let descriptor = unsafe open(file, O_WRONLY | O_CREAT, 0o644)
    _ = FileWrite.all(Array(text.utf8), to: descriptor)
    close(descriptor)
    let status = unsafe system("F='\(file)' D='\(folder)'; (\(line)) >'\(output)' 2>&1")
    return (status >> 8 & 0xff, SystemFile.text(output) ?? "")
  }

  /// What a Python program says of `text`, whose path is its first argument.
  static func python(_ program: String, on text: String) -> (code: Int32, output: String) {
    run("\(python) -c '\(program)' \"$F\"", on: text)
  }
}

#if Bench
import Glibc
import RingIOMMU
import RingKit
import Testing

/// `ringbench` run as a program: its exit code and what it printed.
final class ProgramRun {
  let process: ChildProcess
  private let output: String
  private let errors: String

  init(_ line: String) throws {
    let program = try #require(RingBenchProgram.path, "there is no ringbench beside the tests")
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
    let process = process.processIdentifier
    // Each thread has its own.
    guard let folder = unsafe opendir("/proc/\(process)/task") else { return [] }
    defer { unsafe closedir(folder) }
    var found: [pid_t] = []
    while let entry = unsafe readdir(folder) {
      let thread = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard thread.first != "." else { continue }
      let list = Self.text(of: "/proc/\(process)/task/\(thread)/children")
      found += list.split(separator: " ").compactMap { pid_t($0) }
    }
    return found
  }

  /// Its exit code, and what it said, once it has ended.
  func end() -> (end: ProcessEnd, output: String, errors: String) {
    let end = process.wait()
    return (end, Self.text(of: output), Self.text(of: errors))
  }

  private static func text(of path: String) -> String {
    guard let file = unsafe fopen(path, "re") else { return "" }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = unsafe getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: bytes, as: UTF8.self)
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

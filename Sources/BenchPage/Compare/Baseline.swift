import BenchDocument
import BenchHarness
import Glibc
import RingKit

/// Results kept under a name, in a folder of the user's.
package enum Baseline {
  /// Below `XDG_DATA_HOME`, or where that is by the XDG Base Directory Specification when it is not set.
  static func folder(_ environment: (String) -> String?) throws(BenchError) -> String {
    // A relative path is to be ignored, by that specification.
    if let data = environment("XDG_DATA_HOME"), data.hasPrefix("/") { return "\(data)/ringbench/baselines" }
    guard let home = environment("HOME"), home.hasPrefix("/") else {
      throw .usage("there is no folder for baselines: neither XDG_DATA_HOME nor HOME is an absolute path")
    }
    return "\(home)/.local/share/ringbench/baselines"
  }

  /// The file of a name.
  static func path(
    _ name: String, _ environment: (String) -> String? = Self.environment
  ) throws(BenchError) -> String {
    let isPlain = name.utf8.allSatisfy { byte in
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "-_.".utf8.contains(byte)
    }
    guard !name.isEmpty, name.utf8.count <= 100, !name.hasPrefix("."), isPlain else {
      throw .usage("'\(name)' is no name of a baseline: up to 100 letters, digits, '-', '_' and '.', not '.' first")
    }
    return "\(try folder(environment))/\(name).json"
  }

  /// What was kept under a name.
  package static func load(_ name: String) throws(BenchError) -> ResultDocument {
    let path = try path(name)
    guard SystemFile.exists(path) else {
      let kept = SystemFile.names(in: try folder(Self.environment)).filter { $0.hasSuffix(".json") }
      let names = kept.map { String($0.dropLast(5)) }.joined(separator: ", ")
      throw .usage(
        "there is no baseline '\(name)'; \(names.isEmpty ? "save one with --save-baseline" : "there are: \(names)")")
    }
    return try ResultDocument.read(path)
  }

  /// The path of a document under a name, which can be written.
  package static func file(_ name: String) throws(BenchError) -> OutputFile {
    let path = try path(name)
    var folder = ""
    for part in path.split(separator: "/").dropLast() {
      folder += "/\(part)"
      guard unsafe mkdir(folder, 0o777) == 0 || errno == EEXIST else {
        throw .usage("cannot make the folder \(folder) for baselines: \(Errno.text(errno))")
      }
    }
    return try OutputFile(checking: path)
  }

  static func environment(_ name: String) -> String? {
    // SAFETY: a variable of the environment is a terminated string, and nothing here changes it.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }
}

extension ResultDocument {
  /// The document in a file.
  package static func read(_ path: String) throws(BenchError) -> ResultDocument {
    guard let text = SystemFile.text(path) else { throw .usage("cannot read \(path): \(Errno.text(errno))") }
    return try decode(text, named: path)
  }
}

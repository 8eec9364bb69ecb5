import Glibc

/// What was built, and by what.
package enum Version {
  /// The version of the package this command came with.
  package static let ringKit = "0.1.0"

  /// The compiler, as closely as it tells its own source.
  package static var toolchain: String {
    #if compiler(>=6.4)
    "Swift 6.4 or later"
    #elseif compiler(>=6.3)
    "Swift 6.3"
    #else
    "Swift 6.2"
    #endif
  }

  /// Figures of a debug build say nothing about the code.
  package static var isOptimised: Bool {
    #if DEBUG
    false
    #else
    true
    #endif
  }
}

/// The commit that a working tree stands on, read from its files: no process is started for it.
package enum SourceCommit {
  /// Looks from the executable upwards, so that the tree found is the one it was built in.
  package static func read() -> String? {
    guard let executable = unsafe realpath(ProgramArguments.ownPath, nil) else { return nil }
    defer { unsafe free(executable) }
    var folder = unsafe String(cString: executable)
    while let slash = folder.lastIndex(of: "/") {
      folder = String(folder[..<slash])
      if SystemFile.exists("\(folder)/.git") { return head(ofTree: folder) }
    }
    return nil
  }

  package static func head(ofTree folder: String) -> String? {
    var gitFolder = "\(folder)/.git"
    // In a linked working tree `.git` is a file that names the real place.
    if let link = SystemFile.text(gitFolder), let place = value(of: link, after: "gitdir: ") {
      gitFolder = place.hasPrefix("/") ? place : "\(folder)/\(place)"
    }
    guard let head = SystemFile.text("\(gitFolder)/HEAD") else { return nil }
    guard let reference = value(of: head, after: "ref: ") else { return head }
    let shared = SystemFile.text("\(gitFolder)/commondir").map { $0.hasPrefix("/") ? $0 : "\(gitFolder)/\($0)" }
    for place in [gitFolder, shared].compactMap({ $0 }) {
      if let commit = SystemFile.text("\(place)/\(reference)") { return commit }
      let packed = SystemFile.lines("\(place)/packed-refs").first { $0.hasSuffix(" \(reference)") }
      if let packed { return packed.split(separator: " ").first.map { String($0) } }
    }
    return nil
  }

  private static func value(of text: String, after prefix: String) -> String? {
    text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
  }
}

import BenchHarness
import Glibc

/// A copy of the files of /proc and /sys of some machine, in a folder that is removed with it.
package final class FixtureTree {
  package let root: String

  /// Lines of `PATH content`; `\n` in a content is a line end.
  package init(_ listing: String, and more: String = "") {
    root = "/tmp/ringbench-tree-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    for line in (listing + "\n" + more).split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1)
      var text = ""
      var isEscaped = false
      for character in parts.count > 1 ? parts[1] : "" {
        if isEscaped {
          text.append(character == "n" ? "\n" : character)
        } else if character != "\\" {
          text.append(character)
        }
        isEscaped = character == "\\" && !isEscaped
      }
      write(text, to: String(parts[0]))
    }
  }

  deinit { Self.remove(root) }

  package var tree: SystemTree { SystemTree(root: root) }

  private func write(_ text: String, to path: String) {
    var folder = root
    unsafe mkdir(folder, 0o755)
    for name in path.split(separator: "/").dropLast() {
      folder += "/\(name)"
      unsafe mkdir(folder, 0o755)
    }
    let descriptor = unsafe open("\(root)\(path)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    precondition(descriptor >= 0, "cannot write \(root)\(path)")
    _ = FileWrite.all(Array("\(text)\n".utf8), to: descriptor)
    close(descriptor)
  }

  private static func remove(_ path: String) {
    for name in SystemFile.names(in: path) + [".dockerenv", ".containerenv"]
    where SystemFile.exists("\(path)/\(name)") { remove("\(path)/\(name)") }
    if unsafe unlink(path) != 0 { unsafe rmdir(path) }
  }
}

import Glibc
import RingKit

/// Small files of /proc and /sys, whose size the kernel does not tell beforehand.
package enum SystemFile {
  /// The text without its final newline, or `nil` when it cannot be read.
  package static func text(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      // SAFETY: the pointer is used only inside the closure, for the bytes it covers.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes.append(contentsOf: chunk[..<count])
    }
    while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  package static func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }

  package static func lines(_ path: String) -> [Substring] {
    // To Swift both bytes of a console's line end are one character.
    text(path)?.split { $0 == "\n" || $0 == "\r\n" } ?? []
  }

  /// The last line that is not empty, fit for a terminal; of a log that another party wrote.
  package static func lastLine(_ path: String) -> String? {
    let found = lines(path).lazy.map { line in line.prefix { $0 != "\r" } }
    return found.last { !$0.isEmpty }.map { String(printable: $0.utf8) }
  }

  /// Names in a directory, sorted, without those that begin with a dot; empty when there is no such directory.
  package static func names(in path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      // SAFETY: d_name is a terminated string inside the entry, which lives until the next readdir.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}

/// /proc and /sys below a folder: the machine's own, or a copy of another's.
package struct SystemTree: Sendable {
  private let root: String

  package init(root: String = "") { self.root = root }

  func text(_ path: String) -> String? { SystemFile.text(root + path) }
  func number(_ path: String) -> Int? { SystemFile.number(root + path) }
  func lines(_ path: String) -> [Substring] { SystemFile.lines(root + path) }
  func names(in path: String) -> [String] { SystemFile.names(in: root + path) }
  func exists(_ path: String) -> Bool { SystemFile.exists(root + path) }
}

/// The kernel's notation for sets of CPUs and nodes: `0-3,8`.
package enum CPUList {
  static func parse(_ text: some StringProtocol) -> [Int] {
    text.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last else { return [] }
      return Array(first...last)
    }
  }

  package static func text(_ numbers: [Int]) -> String {
    var ranges: [(first: Int, last: Int)] = []
    for number in numbers.sorted() {
      if let last = ranges.last, last.last + 1 == number {
        ranges[ranges.count - 1].last = number
      } else {
        ranges.append((number, number))
      }
    }
    return ranges.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(separator: ",")
  }
}

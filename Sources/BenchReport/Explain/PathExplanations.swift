@_exported import BenchDocument
import BenchHarness

/// One option, element or parameter that a path needs.
struct PathSetting: Codable, Sendable {
  /// As it is written.
  let text: String
  /// What it does for the path.
  let effect: String
  /// Where that is documented: a file or a page, by name.
  let source: String
}

/// What a reader needs to know of one DMA path before its figures mean something.
package struct PathExplanation: Codable, Sendable {
  /// The path's name on the command line, in the JSON and in the tables.
  let path: String
  /// One line, for the table of all paths.
  fileprivate(set) var summary = ""
  /// What the path is a model of.
  fileprivate(set) var standsFor = ""
  /// Whether settings alone put a guest of today on it.
  fileprivate(set) var hasSwitch = false
  /// How to get there, or why one cannot.
  fileprivate(set) var howTo = ""
  fileprivate(set) var qemu: [PathSetting] = []
  fileprivate(set) var libvirt: [PathSetting] = []
  fileprivate(set) var kernel: [PathSetting] = []
  fileprivate(set) var protects: [String] = []
  fileprivate(set) var leavesOpen: [String] = []
  /// Where the path came from: the thread of August 2018, or a later proposal.
  fileprivate(set) var origin = ""
}

/// What `ringbench explain` tells of each path.
package enum PathExplanations {
  static let all: [PathExplanation] = {
    var paths: [PathExplanation] = []
    var shared: [String: String] = [:]
    for entry in DataTable.entries(table) {
      guard let blank = entry.firstIndex(of: " ") else { continue }
      let word = String(entry[..<blank])
      let rest = String(entry[blank...].dropFirst())
      let text = shared[rest] ?? rest
      var setting: PathSetting {
        let cells = DataTable.cells(text)
        return PathSetting(text: cells[0], effect: cells[1], source: shared[cells[2]] ?? cells[2])
      }
      let last = paths.count - 1
      switch word {
      case "path": paths.append(PathExplanation(path: text))
      case "summary": paths[last].summary = text
      case "stands": paths[last].standsFor = text
      case "switch", "none": (paths[last].hasSwitch, paths[last].howTo) = (word == "switch", text)
      case "qemu": paths[last].qemu.append(setting)
      case "libvirt": paths[last].libvirt.append(setting)
      case "kernel": paths[last].kernel.append(setting)
      case "protects": paths[last].protects.append(text)
      case "open": paths[last].leavesOpen.append(text)
      case "origin": paths[last].origin = text
      default: shared[word] = text
      }
    }
    return paths
  }()

  package static var names: String { all.map(\.path).joined(separator: ", ") }

  /// Those with the names given, in that order; all of them for an empty list.
  package static func find(_ arguments: [String]) throws(BenchError) -> [PathExplanation] {
    guard !arguments.isEmpty else { return all }
    let found = try ListArgument.parse(arguments) { name throws(BenchError) in
      guard let index = all.firstIndex(where: { $0.path == name }) else {
        throw .usage("there is no path '\(name)'; choose from: \(names)")
      }
      return index
    }
    return found.map { all[$0] }
  }
}

/// Everything `ringbench explain` tells.
package struct ExplainReport: Codable, Sendable {
  private var schema = 1
  let paths: [PathExplanation]

  package init(paths: [PathExplanation]) { self.paths = paths }
}

/// The explanations for people: each path in full, or all of them in a table of one line each.
extension ExplainReport {
  package func overview() -> String {
    TextTable.text("path|switch|what it is", paths.map { [$0.path, $0.hasSwitch ? "yes" : "no", $0.summary] })
      + Paragraph.text(
        "switch: whether settings alone put a guest of today on it. More: 'ringbench explain PATH', '--format json'.")
  }

  package func inFull() -> String { paths.map { Self.text($0) }.joined(separator: "\n") }

  private static func text(_ path: PathExplanation) -> String {
    var text = Paragraph.text("\(path.path): \(path.summary)") + "\n" + Paragraph.text(path.standsFor)
    text += "\nA real guest\n" + Paragraph.text(path.howTo, first: "  ")
    for (title, settings) in [("QEMU", path.qemu), ("libvirt", path.libvirt), ("Kernel", path.kernel)] {
      for setting in settings {
        text += "  \(title): \(setting.text)\n"
        text += Paragraph.text("\(setting.effect) (\(setting.source))", first: "    ")
      }
    }
    text += "\nProtects\n" + path.protects.map { Paragraph.text($0, first: "  - ") }.joined()
    text += "\nLeaves open\n" + path.leavesOpen.map { Paragraph.text($0, first: "  - ") }.joined()
    return text + "\nFrom\n" + Paragraph.text(path.origin, first: "  ")
  }
}

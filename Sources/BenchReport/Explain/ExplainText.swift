import BenchHarness
import BenchPaths

/// The explanations for people: each path in full, or all of them in a table of one line each.
package struct ExplainText {
  private let paths: [PathExplanation]

  package init(_ report: ExplainReport) { paths = report.paths }

  package func overview() -> String {
    var table = TextTable([("path", .left), ("switch", .left), ("what it is", .left)])
    for path in paths { table.add([path.path, path.hasSwitch ? "yes" : "no", path.summary]) }
    return table.render()
      + Paragraph.text(
        "switch: whether settings alone put a guest of today on it. More: 'ringbench explain PATH', '--format json'.")
  }

  package func inFull() -> String { paths.map { Self.text($0) }.joined(separator: "\n") }

  private static func text(_ path: PathExplanation) -> String {
    var text = Paragraph.text("\(path.path): \(path.summary)")
    text += "\n" + Paragraph.text(path.standsFor)
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

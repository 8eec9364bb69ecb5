import BenchHarness
import BenchPaths

/// The kinds of device for people: each in full, or all of them in a table with the reasons under it.
package struct DeviceText {
  private let devices: [DeviceExplanation]

  package init(_ report: DeviceReport) { devices = report.devices }

  package func overview() -> String {
    var table = TextTable([("number", .right), ("kind", .left), ("secure platform", .left), ("", .left)])
    for device in devices { table.add(["\(device.number)", device.kind, Self.answer(device), device.title]) }
    var text = table.render()
    for (verdict, title) in [("bounces", "Taken"), ("restricted", "Taken, with a restriction"), ("refused", "Refused")]
    {
      text += "\n\(title)\n" + reasons(verdict)
    }
    text += "\nRefused unless somebody vouches for it\n" + reasons("unspecified")
    return text + "\n"
      + Paragraph.text(
        "A platform whose memory devices can reach takes every kind. More: 'ringbench explain --device KIND'.")
  }

  package func inFull() -> String { devices.map { Self.text($0) }.joined(separator: "\n") }

  /// Kinds of one verdict by what they demand, those that demand the same together.
  private func reasons(_ verdict: String) -> String {
    var order: [String] = []
    var kinds: [String: [DeviceExplanation]] = [:]
    for device in devices where device.verdict == verdict {
      if kinds[device.reason] == nil { order.append(device.reason) }
      kinds[device.reason, default: []].append(device)
    }
    var text = ""
    for reason in order {
      guard let group = kinds[reason] else { continue }
      text += Paragraph.text("\(group.map(\.kind).joined(separator: ", ")): \(reason).", first: "  ")
      if let change = group[0].change { text += Paragraph.text("\(change).", first: "    -> ") }
    }
    return text
  }

  private static func text(_ device: DeviceExplanation) -> String {
    var text = Paragraph.text("\(device.kind): \(device.title), number \(device.number)")
    text += "\nDemands of memory\n" + Paragraph.text("\(device.reason).", first: "  ")
    text += "\nSecure platform\n  \(answer(device)); any other takes it\n"
    if !device.withheldBits.isEmpty {
      let bits = device.withheldBits.map(String.init).joined(separator: ", ")
      text += "  feature bits not accepted there, though offered: \(bits)\n"
    }
    text += "\nWhat has to change\n" + Paragraph.text(device.change.map { "\($0)." } ?? "nothing.", first: "  ")
    return text + "\nFrom\n" + device.sources.map { Paragraph.text("virtio 1.4, \"\($0)\"", first: "  ") }.joined()
  }

  private static func answer(_ device: DeviceExplanation) -> String {
    switch device.verdict {
    case "bounces": "takes it"
    case "restricted": "takes it, restricted"
    case "unspecified": "refuses it: not specified"
    default: "refuses it"
    }
  }
}

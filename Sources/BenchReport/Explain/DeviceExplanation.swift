import BenchDocument
import BenchHarness
import RingKit
import RingPlatform

/// What a reader needs to know of one kind of device before a machine that hides its memory is given one.
package struct DeviceExplanation: Codable, Sendable {
  /// The kind's name on the command line and in JSON.
  let kind: String
  /// Its number in the specification.
  let number: UInt32
  /// What the specification calls it.
  let title: String
  /// bounces, restricted, refused or unspecified.
  let verdict: String
  /// Whether a platform takes it whose guest memory is out of its devices' reach; any other takes every kind.
  let isTakenWhenSecure: Bool
  /// What it demands of the guest's memory, which is why.
  let reason: String
  /// What has to be left alone, or would have to be different; `nil` where nothing has.
  let change: String?
  /// Numbers of the feature bits that a secure platform does not accept from it.
  let withheldBits: [Int]
  /// The sections of the specification that say so.
  let sources: [String]

  init(_ kind: DeviceKind) {
    let demand = kind.demand
    self.kind = kind.name
    number = kind.rawValue
    title = kind.title
    verdict = demand.verdict.rawValue
    do throws(NegotiationError) {
      try Platform(secure: true).admit(kind)
      isTakenWhenSecure = true
    } catch { isTakenWhenSecure = false }
    reason = demand.reason
    change = demand.restriction ?? demand.remedy
    withheldBits = (0..<64).filter { demand.withheld.rawValue >> UInt64($0) & 1 != 0 }
    sources = demand.sources
  }

  /// Those with the names or numbers given, in that order; all kinds for an empty list.
  package static func find(_ arguments: [String]) throws(BenchError) -> [DeviceExplanation] {
    guard !arguments.isEmpty else { return DeviceKind.allCases.map { DeviceExplanation($0) } }
    let kinds = try ListArgument.parse(arguments) {
      name throws(BenchError) in
      guard let kind = DeviceKind(name: name) ?? UInt32(name).flatMap({ DeviceKind(rawValue: $0) }) else {
        throw .usage("there is no kind of device '\(name)'; 'ringbench explain --device' lists them")
      }
      return kind
    }
    return kinds.map { DeviceExplanation($0) }
  }

  fileprivate var answer: String {
    switch verdict {
    case "bounces": "takes it"
    case "restricted": "takes it, restricted"
    case "unspecified": "refuses it: not specified"
    default: "refuses it"
    }
  }
}

/// Everything `ringbench explain --device` tells.
package struct DeviceReport: Codable, Sendable {
  private var schema = 1
  let devices: [DeviceExplanation]

  package init(devices: [DeviceExplanation]) { self.devices = devices }
}

/// Kinds of device for people: each in full, or all of them in a table and by what they demand.
extension DeviceReport {
  package func overview() -> String {
    var text = TextTable.text(
      ">number|kind|secure platform|", devices.map { ["\($0.number)", $0.kind, $0.answer, $0.title] })
    for (verdict, title) in [
      ("bounces", "Taken"), ("restricted", "Taken, with a restriction"), ("refused", "Refused"),
      ("unspecified", "Refused unless somebody vouches for it"),
    ] {
      text += "\n\(title)\n" + reasons(verdict)
    }
    return text + "\n"
      + Paragraph.text(
        "A platform whose memory devices can reach takes every kind. More: 'ringbench explain --device KIND'.")
  }

  package func inFull() -> String { devices.map { Self.text($0) }.joined(separator: "\n") }

  /// Kinds of one verdict by what they demand, those that demand the same together.
  private func reasons(_ verdict: String) -> String {
    var groups: [(first: DeviceExplanation, kinds: String)] = []
    for device in devices where device.verdict == verdict {
      if let group = groups.firstIndex(where: { $0.first.reason == device.reason }) {
        groups[group].kinds += ", " + device.kind
      } else {
        groups.append((device, device.kind))
      }
    }
    var text = ""
    for (device, kinds) in groups {
      text += Paragraph.text("\(kinds): \(device.reason).", first: "  ")
      if let change = device.change { text += Paragraph.text("\(change).", first: "    -> ") }
    }
    return text
  }

  private static func text(_ device: DeviceExplanation) -> String {
    var text = Paragraph.text("\(device.kind): \(device.title), number \(device.number)")
    text += "\nDemands of memory\n" + Paragraph.text("\(device.reason).", first: "  ")
    text += "\nSecure platform\n  \(device.answer); any other takes it\n"
    if !device.withheldBits.isEmpty {
      let bits = device.withheldBits.map(String.init).joined(separator: ", ")
      text += "  feature bits not accepted there, though offered: \(bits)\n"
    }
    text += "\nWhat has to change\n" + Paragraph.text(device.change.map { "\($0)." } ?? "nothing.", first: "  ")
    return text + "\nFrom\n" + device.sources.map { Paragraph.text("virtio 1.4, \"\($0)\"", first: "  ") }.joined()
  }
}

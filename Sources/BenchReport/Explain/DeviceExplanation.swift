import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What a reader needs to know of one kind of device before a machine that hides its memory is given one.
package struct DeviceExplanation: Codable, Equatable, Sendable {
  /// The kind's name on the command line and in JSON.
  package let kind: String
  /// Its number in the specification.
  package let number: UInt32
  /// What the specification calls it.
  package let title: String
  /// bounces, restricted, refused or unspecified.
  package let verdict: String
  /// Whether a platform takes it whose guest memory is out of its devices' reach; any other takes every kind.
  package let isTakenWhenSecure: Bool
  /// What it demands of the guest's memory, which is why.
  package let reason: String
  /// What has to be left alone, or would have to be different; `nil` where nothing has.
  package let change: String?
  /// Numbers of the feature bits that a secure platform does not accept from it.
  package let withheldBits: [Int]
  /// The sections of the specification that say so.
  package let sources: [String]

  package init(_ kind: DeviceKind) {
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

  /// Those with the names or numbers given, in that order, each once; all kinds for an empty list.
  package static func find(_ arguments: [String]) throws(BenchError) -> [DeviceExplanation] {
    guard !arguments.isEmpty else { return DeviceKind.allCases.map { DeviceExplanation($0) } }
    var found: [DeviceExplanation] = []
    for name in ListArgument.elements(arguments) {
      guard let kind = DeviceKind(name: name) ?? UInt32(name).flatMap({ DeviceKind(rawValue: $0) }) else {
        throw .usage("there is no kind of device '\(name)'; 'ringbench explain --device' lists them")
      }
      let explanation = DeviceExplanation(kind)
      if !found.contains(explanation) { found.append(explanation) }
    }
    guard !found.isEmpty else {
      throw .usage("an empty list of kinds of device; 'ringbench explain --device' lists them")
    }
    return found
  }
}

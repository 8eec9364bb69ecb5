package import RingKit

/// One session with a device under test, from the negotiation of features to its end.
///
/// One thread's. Everything that is told about a ring is told here; the ring itself is memory.
package protocol ConformancePort: AnyObject {
  /// The features that the device offers.
  var offered: VirtioFeatures { get }
  /// The features agreed on.
  var features: VirtioFeatures { get }
  /// Nanoseconds of the clock that waits end by.
  var now: UInt64 { get }
  /// The start of the configuration space; empty where it is not read.
  var configuration: [UInt8] { get }

  /// Hands over the memory in which rings and buffers lie.
  func share(_ memory: GuestMemory) throws(PortEnd)
  /// Starts a queue at a position: an index, in a packed ring offsets with their wrap counters.
  func start(_ queue: Int, _ ring: RingMemory, base: UInt32) throws(PortEnd)
  /// Notifies the device.
  func kick(_ queue: Int)
  /// Whether the device has notified the driver since the last call.
  func takeCall(_ queue: Int) -> Bool
  /// Sleeps until the device notifies or says something, and answers it.
  func wait(milliseconds: Int32) throws(PortEnd)
  /// Stops a queue; the position of the next buffer that the device would take.
  func stop(_ queue: Int) throws(PortEnd) -> UInt32
  /// Ends the session, and waits for the end of a device that this process serves; no other call may follow.
  func close()
}

/// Why a session with a device under test ended, or did not begin.
package enum PortEnd: Error, Equatable, CustomStringConvertible {
  /// No device can be reached.
  case unreachable(String)
  /// The device does not offer these features.
  case missing(VirtioFeatures)
  /// The device refused a request.
  case refused(String)
  /// The device ended the session.
  case closed(String)
  /// The device did not answer a request in time.
  case unanswered(String)
  /// The device said something that it must not say.
  case wrong(String)

  var text: String { description }

  /// One sentence.
  package var description: String {
    switch self {
    case .unreachable(let text), .refused(let text), .closed(let text), .unanswered(let text), .wrong(let text): text
    case .missing(let features): "the device does not offer \(features)"
    }
  }
}

/// Begins a session with the device under test, in which exactly these ring features are agreed on.
package typealias ConformanceConnector = (VirtioFeatures) throws(PortEnd) -> any ConformancePort

/// What a device did that a rule does not allow.
struct Finding: Error {
  let rule: String
  let seen: String
  /// Whether it is of this rule whatever is checked.
  let isCertain: Bool

  init(_ rule: String, _ seen: String, isCertain: Bool = false) {
    (self.rule, self.seen, self.isCertain) = (rule, seen, isCertain)
  }
}

/// Nothing came back in time.
struct Hang: Error {
  let seen: String
}

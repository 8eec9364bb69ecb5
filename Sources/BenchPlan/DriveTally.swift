import BenchHarness
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a load did.
package struct DriveTally: Sendable {
  /// Requests that came back, or frames.
  package var requests = 0
  /// Bytes of data that went to the device and that came from it.
  package var bytesOut = 0
  package var bytesIn = 0
  /// Bytes that were compared.
  package var bytesVerified = 0
  package var flushes = 0
  /// Frames that were sent again, and frames that came more than once.
  package var resends = 0
  package var duplicates = 0
  /// Back-ends that replaced one that was gone; what was outstanding then and was handed over with the
  /// back-end's notes, and what the driver added again.
  package var reconnects = 0
  package var handedOver = 0
  package var resubmitted = 0
  package var nanoseconds: UInt64 = 0
  /// The device's own name, of a block device.
  package var name: String?
  package var latency: Latency?
  package var work = WorkCounts()
  package var interrupted = false
  /// Why it came to an end before all was done.
  package var failure: DriveFailure?
  /// What went wrong and does not matter for the figures.
  package var notes: [String] = []

  package init() {}
}

extension DriveTally {
  /// Notes why it came to an end before all was done.
  package mutating func end(_ error: DriveFailure) {
    switch error {
    case .interrupted: interrupted = true
    // What the front-end waited for in vain meanwhile.
    case .session(.connection(.system(_, CRING_STREAM_INTERRUPTED))): interrupted = true
    default: failure = error
    }
  }
}

/// Why a device could not be driven to the end.
package enum DriveFailure: Error, Sendable {
  /// The queue's end threw: the device broke a rule of the ring, or a mapping failed.
  case queue(QueueError)
  /// The session ended.
  case session(FrontendError)
  /// A request came back with a status other than done.
  case status(BlockOperation, BlockStatus, sector: UInt64)
  /// A request came back with that many bytes.
  case length(BlockOperation, expected: Int, got: Int)
  /// A buffer to be filled came back with that many bytes.
  case shortAnswer(expected: Int, got: Int)
  /// Buffers come back as they were sent.
  case noRandomBytes
  /// What was read is not what was written.
  case wrongByte(sequence: UInt64, offset: Int)
  /// A frame came back that is none of those outstanding, with this number.
  case strangeFrame(number: UInt64, byteCount: Int)
  /// Nothing came back for that long.
  case stalled(done: Int, of: Int, milliseconds: Int)
  /// A signal came, and the device did not complete what was outstanding.
  case interrupted
  /// The back-end went, and no other came in its place for that long.
  case noSuccessor(milliseconds: Int)
  /// The back-end's successor has another disk, or another size of it.
  case otherDisk
  /// The device stopped at another position than the driver's.
  case position(vring: Int, expected: UInt16, got: UInt16)

  var text: String {
    switch self {
    case .queue(let error): error.description
    case .session(let error): error.description
    case .status(let operation, let status, let sector): "\(operation) at sector \(sector) ended with \(status)"
    case .length(let operation, let expected, let got): "\(operation) of \(expected) bytes came back with \(got)"
    case .shortAnswer(let expected, let got): "a buffer of \(expected) bytes came back with \(got)"
    case .noRandomBytes: "a buffer came back with zeros, as it was sent"
    case .wrongByte(let sequence, let offset): "request \(sequence) came back with a wrong byte at offset \(offset)"
    case .strangeFrame(let number, let count):
      "a frame of \(count) bytes with number \(number) came, which is not outstanding"
    case .stalled(let done, let total, let time): "nothing came back for \(time) ms (\(done) of \(total) had)"
    case .interrupted: "the run was told to end"
    case .noSuccessor(let time): "the back-end went, and none came in its place within \(time) ms"
    case .otherDisk: "the back-end's successor has another disk: its configuration space is not the same"
    case .position(let vring, let expected, let got):
      "the device stopped vring \(vring) at \(got); everything up to \(expected) was done"
    }
  }
}

extension DriveFailure {
  /// What ends the command.
  package func asBenchError(_ kind: DeviceKind) -> BenchError {
    if case .session(let error) = self { return error.asBenchError(kind) }
    return .check(text)
  }
}

extension FrontendError {
  /// A device that lacks something is this machine's lack; one that breaks the protocol fails a check.
  package func asBenchError(_ kind: DeviceKind) -> BenchError {
    switch self {
    case .missingFeatures(let features, let offered):
      .machine(
        "the device does not offer \(kind.featureNames(features)); it offers \(kind.featureNames(offered))")
    case .missingProtocolFeatures, .negotiation, .tooFewQueues, .connection(.system): .machine(description)
    default: .check(description)
    }
  }
}

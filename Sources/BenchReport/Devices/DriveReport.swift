import BenchDocument
import RingKit
import VhostUser

/// Everything `ringbench drive` found.
package final class DriveReport: Encodable {
  struct Disk: Encodable, Sendable {
    @Null var name: String?
    let sectors: UInt64
    let blockBytes: UInt32
    let readOnly: Bool
    let flush: Bool
  }

  struct IOTLB: Encodable, Sendable {
    let misses: UInt64
    let unmappedMisses: UInt64
    let updates: UInt64
    let announcements: UInt64
    let widenedUpdates: UInt64
    let invalidations: UInt64
    let refusedAccesses: UInt64
  }

  /// Successors of back-ends that went.
  struct Reconnect: Encodable, Sendable {
    /// Whether the back-end notes what is in flight for its successor.
    let backEndNotes: Bool
    let reconnects: Int
    let handedOver: Int
    let resubmitted: Int
  }

  struct Results: Encodable, Sendable {
    let requests: Int
    let bytesOut: Int
    let bytesIn: Int
    let bytesVerified: Int
    let flushes: Int
    let resends: Int
    let duplicates: Int
    let nanoseconds: UInt64
    let nsPerRequest: Double
    let requestsPerSecond: Double
    @Null var latencyNs: Latency?
    /// Per request, by name; what did not occur is left out.
    var counters: [String: Double] = [:]
    let sleeps: UInt64

    init(_ tally: DriveTally, sleeps: UInt64) {
      (requests, bytesOut, bytesIn) = (tally.requests, tally.bytesOut, tally.bytesIn)
      (bytesVerified, flushes, resends) = (tally.bytesVerified, tally.flushes, tally.resends)
      (duplicates, nanoseconds, self.sleeps) = (tally.duplicates, tally.nanoseconds, sleeps)
      let (count, time) = (Double(tally.requests), Double(tally.nanoseconds))
      nsPerRequest = count == 0 ? 0 : Rounded.value(time / count)
      requestsPerSecond = time == 0 ? 0 : Rounded.value(count * 1e9 / time)
      latencyNs = tally.latency
      for event in WorkEvent.allCases where tally.work[event] > 0 {
        counters[event.rawValue] = Rounded.value(Double(tally.work[event]) / max(count, 1))
      }
    }
  }

  /// Why a run ended before all was done: what else stands in the report was done until then.
  package struct Failure: Encodable, Sendable {
    let text: String
    let exitCode: Int32
    package let error: BenchError

    init(_ error: BenchError) { (text, exitCode, self.error) = (error.message, error.exitCode, error) }

    private enum CodingKeys: String, CodingKey {
      case text, exitCode
    }
  }

  package let machine: Machine
  let parameters: DriveParameters
  package let interrupted: Bool
  @Null package var failure: Failure?
  /// The agreed features of the ring, by name, and all of them as a number.
  let negotiated: String
  private let negotiatedBits: String
  let protocolFeatures: String
  private let messages: UInt64
  let disk: Disk?
  let iotlb: IOTLB?
  let reconnect: Reconnect?
  let results: Results

  package init(
    _ machine: Machine, _ parameters: DriveParameters, _ frontend: VhostUserFrontend, _ limits: BlockLimits?,
    _ tally: DriveTally, sleeps: UInt64, hasNotes: Bool
  ) {
    (self.machine, self.parameters, interrupted) = (machine, parameters, tally.interrupted)
    // The device's own bits say nothing of the ring.
    negotiated = VirtioFeatures(rawValue: frontend.features.rawValue & ~0xff_ffff).description
    negotiatedBits = "0x" + String(frontend.features.rawValue, radix: 16)
    protocolFeatures = frontend.protocolFeatures.description
    let counts = frontend.counts
    messages = counts.messages
    disk = limits.map { limits in
      Disk(
        name: tally.name, sectors: limits.sectorCount, blockBytes: limits.blockByteCount, readOnly: limits.isReadOnly,
        flush: limits.hasFlush)
    }
    iotlb =
      !parameters.isTranslated
      ? nil
      : IOTLB(
        misses: counts.misses, unmappedMisses: counts.unmappedMisses, updates: counts.updates,
        announcements: counts.announcements, widenedUpdates: counts.widenedUpdates,
        invalidations: counts.invalidations, refusedAccesses: counts.refusedAccesses)
    reconnect =
      !parameters.reconnects
      ? nil
      : Reconnect(
        backEndNotes: hasNotes, reconnects: tally.reconnects, handedOver: tally.handedOver,
        resubmitted: tally.resubmitted)
    results = Results(tally, sleeps: sleeps)
    failure = tally.failure.map { Failure($0.asBenchError(parameters.device.kind)) }
  }
}

/// The report for people.
extension DriveReport {
  package func text() -> String {
    let (parameters, results) = (parameters, results)
    var text = Lines.machine(machine) + "\(parameters.device.name) at \(parameters.socket)"
    if let disk {
      if let name = disk.name, !name.isEmpty { text += " '\(name)'" }
      text += ", \(disk.sectors) sectors\(disk.readOnly ? ", read-only" : "")"
    }
    text += "\n"
    text += "\(parameters.layout.name) ring of \(parameters.queueSize), \(parameters.depth) outstanding, "
    text += "\(grouped(parameters.bytes)) bytes, path \(parameters.path.name)\n"
    text += "Negotiated: \(negotiated); protocol: \(protocolFeatures)\n\n"
    let latency = results.latencyNs
    let times = [latency?.p50, latency?.p99, latency?.p999, latency?.max].map { short($0.map { $0 / 1000 }) }
    let row =
      [grouped(results.requests), short(results.nsPerRequest), fixed(results.requestsPerSecond, 0)] + times
      + [grouped(Int(results.sleeps)), CounterText.text(results.counters)]
    text += TextTable.text(
      ">requests|>ns each|>per second|>p50 µs|>p99 µs|>p99.9 µs|>max µs|>sleeps|work per request", [row])
    text += "\n"
    if let counts = iotlb {
      text += "IOTLB: \(counts.misses) misses, \(counts.announcements) announced, \(counts.updates) updates "
      text += "(\(counts.widenedUpdates) wider than the page table), \(counts.invalidations) invalidations, "
      text += "\(counts.unmappedMisses) misses of what was not mapped, \(counts.refusedAccesses) accesses refused\n"
    }
    if let reconnect = reconnect {
      let outstanding =
        reconnect.backEndNotes
        ? "\(grouped(reconnect.handedOver)) outstanding handed over with the back-end's notes"
        : "\(grouped(reconnect.resubmitted)) outstanding added again by the driver (the back-end keeps no notes)"
      text += "Successors of back-ends that went: \(reconnect.reconnects); \(outstanding). "
      text += "The times include the waiting.\n"
    }
    if results.resends + results.duplicates > 0 {
      text += "\(grouped(results.resends)) frames sent again, \(grouped(results.duplicates)) came twice\n"
    }
    return text + Lines.caveat(interrupted: interrupted) + answer + "\n"
  }

  private var answer: String {
    var text = failure.map { "It ended early: \($0.text). What stands here was done until then. " } ?? ""
    if parameters.device == .entropy { return text + "\(grouped(results.bytesIn)) random bytes came." }
    guard parameters.verifies else {
      return text + (failure == nil ? "Every request was done; no byte" : "No byte") + " was compared (--verify)."
    }
    let what = parameters.device == .block ? "bytes read back" : "bytes that came back"
    text += "All \(grouped(results.bytesVerified)) \(what) are as they were sent."
    return text
  }
}

extension DriveReport: PlainReport {
  package static var kind: ResultRow.Kind { .device }
  package var emptiness: String? { nil }
}

import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Everything `ringbench drive` found.
package struct DriveReport: Sendable {
  package let schema = 1
  package let machine: Machine
  package let parameters: DriveParameters
  /// The agreed features of the ring, by name, and all of them as a number.
  package let negotiated: String
  package let negotiatedBits: UInt64
  package let protocolFeatures: String
  package let limits: BlockLimits?
  package let tally: DriveTally
  package let sleeps: UInt64
  /// Whether the back-end notes what is in flight for its successor.
  package let hasNotes: Bool
  package let messages: FrontendCounts

  package init(
    _ machine: Machine, _ parameters: DriveParameters, _ frontend: VhostUserFrontend, _ limits: BlockLimits?,
    _ tally: DriveTally, sleeps: UInt64, hasNotes: Bool
  ) {
    self.machine = machine
    self.parameters = parameters
    // The device's own bits say nothing of the ring.
    let ring = VirtioFeatures(rawValue: frontend.features.rawValue & ~0xff_ffff)
    negotiated = ring.description
    negotiatedBits = frontend.features.rawValue
    protocolFeatures = frontend.protocolFeatures.description
    self.limits = limits
    self.tally = tally
    self.sleeps = sleeps
    self.hasNotes = hasNotes
    messages = frontend.counts
  }

  package var interrupted: Bool { tally.interrupted }
  package var nanosecondsPerRequest: Double {
    tally.requests == 0 ? 0 : Rounded.value(Double(tally.nanoseconds) / Double(tally.requests))
  }
  package var requestsPerSecond: Double {
    tally.nanoseconds == 0 ? 0 : Rounded.value(Double(tally.requests) * 1e9 / Double(tally.nanoseconds))
  }
  /// Per request, by name; what did not occur is left out.
  package var counters: [String: Double] {
    var values: [String: Double] = [:]
    for event in WorkEvent.allCases where tally.work[event] > 0 {
      values[event.rawValue] = Rounded.value(Double(tally.work[event]) / Double(max(tally.requests, 1)))
    }
    return values
  }
}

extension DriveReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, interrupted, negotiated, negotiatedBits, protocolFeatures, disk, results, iotlb
    case messages, reconnect
  }

  private enum DiskKey: String, CodingKey { case name, sectors, blockBytes, readOnly, flush }

  private enum ResultKey: String, CodingKey {
    case requests, bytesOut, bytesIn, bytesVerified, flushes, resends, duplicates, nanoseconds, nsPerRequest
    case requestsPerSecond, latencyNs, counters, sleeps
  }

  private enum ReconnectKey: String, CodingKey { case backEndNotes, reconnects, handedOver, resubmitted }

  private enum IOTLBKey: String, CodingKey {
    case misses, unmappedMisses, updates, announcements, widenedUpdates, invalidations, refusedAccesses
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(schema, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(interrupted, forKey: .interrupted)
    try values.encode(negotiated, forKey: .negotiated)
    try values.encode("0x" + String(negotiatedBits, radix: 16), forKey: .negotiatedBits)
    try values.encode(protocolFeatures, forKey: .protocolFeatures)
    try values.encode(messages.messages, forKey: .messages)
    if let limits {
      var disk = values.nestedContainer(keyedBy: DiskKey.self, forKey: .disk)
      try disk.encode(tally.name, forKey: .name)
      try disk.encode(limits.sectorCount, forKey: .sectors)
      try disk.encode(limits.blockByteCount, forKey: .blockBytes)
      try disk.encode(limits.isReadOnly, forKey: .readOnly)
      try disk.encode(limits.hasFlush, forKey: .flush)
    }
    if parameters.isTranslated {
      var iotlb = values.nestedContainer(keyedBy: IOTLBKey.self, forKey: .iotlb)
      try iotlb.encode(messages.misses, forKey: .misses)
      try iotlb.encode(messages.unmappedMisses, forKey: .unmappedMisses)
      try iotlb.encode(messages.updates, forKey: .updates)
      try iotlb.encode(messages.announcements, forKey: .announcements)
      try iotlb.encode(messages.widenedUpdates, forKey: .widenedUpdates)
      try iotlb.encode(messages.invalidations, forKey: .invalidations)
      try iotlb.encode(messages.refusedAccesses, forKey: .refusedAccesses)
    }
    if parameters.reconnects {
      var reconnect = values.nestedContainer(keyedBy: ReconnectKey.self, forKey: .reconnect)
      try reconnect.encode(hasNotes, forKey: .backEndNotes)
      try reconnect.encode(tally.reconnects, forKey: .reconnects)
      try reconnect.encode(tally.handedOver, forKey: .handedOver)
      try reconnect.encode(tally.resubmitted, forKey: .resubmitted)
    }
    var results = values.nestedContainer(keyedBy: ResultKey.self, forKey: .results)
    try results.encode(tally.requests, forKey: .requests)
    try results.encode(tally.bytesOut, forKey: .bytesOut)
    try results.encode(tally.bytesIn, forKey: .bytesIn)
    try results.encode(tally.bytesVerified, forKey: .bytesVerified)
    try results.encode(tally.flushes, forKey: .flushes)
    try results.encode(tally.resends, forKey: .resends)
    try results.encode(tally.duplicates, forKey: .duplicates)
    try results.encode(tally.nanoseconds, forKey: .nanoseconds)
    try results.encode(nanosecondsPerRequest, forKey: .nsPerRequest)
    try results.encode(requestsPerSecond, forKey: .requestsPerSecond)
    try results.encode(tally.latency, forKey: .latencyNs)
    try results.encode(counters, forKey: .counters)
    try results.encode(sleeps, forKey: .sleeps)
  }
}

internal import CRing
internal import RingIOMMU
public import RingKit

/// The device's side of a vhost-user connection: negotiates, maps the guest's memory, and serves its queues.
///
/// One thread's: it calls ``step(milliseconds:)`` or ``run(until:)``, and everything happens in there, the device's work
/// included. Nothing is believed of what the front-end says before it was checked; the first thing that is wrong ends the
/// connection with a ``VhostUserError``, and all that it held (descriptors, mappings, queues) goes with the back-end. A
/// driver's mistake stops its queue alone (``takeFailures()``).
///
/// Behind an IOMMU a translation that is missing is asked for over the back-end's own channel, and the queue that needs
/// it goes on when it has come; meanwhile everything else is served.
public final class VhostUserBackend<Device: VhostUserDevice> {
  /// What is behind the rings.
  public let device: Device
  /// What is offered.
  public let options: VhostUserOptions
  /// What was agreed on, once it was.
  public internal(set) var features: VirtioFeatures = []
  /// The protocol features that were agreed on.
  public internal(set) var protocolFeatures: ProtocolFeatures = []
  var failures: [(index: Int, failure: VringFailure)] = []

  let connection: VhostUserConnection
  var channel: VhostUserConnection?
  var memory: VhostMemory?
  var inflight: InflightMemory?
  let known = DeviceIOTLB()
  let vrings: [Vring]
  /// Misses whose answer has not come, in the order they were sent.
  var asked: [TranslationMiss] = []
  var counted = VhostUserCounts()

  /// A back-end that has heard nothing.
  public init(_ connection: VhostUserConnection, device: Device, options: VhostUserOptions = VhostUserOptions()) {
    precondition((1...256).contains(device.queueCount), "a device has 1 to 256 queues")
    self.connection = connection
    self.device = device
    self.options = options
    vrings = (0..<device.queueCount).map { Vring(index: $0) }
  }

  /// What happened so far.
  public var counts: VhostUserCounts {
    var sum = counted
    for vring in vrings {
      sum.work = sum.work + vring.pastCounts
      sum.completed += vring.pastCompleted
      if let counts = vring.queue?.counts { sum.work = sum.work + counts }
      sum.completed += vring.queue?.completedCount ?? 0
    }
    return sum
  }

  /// Queues that could not go on since the last call, and why; each waits for the front-end to stop it.
  public func takeFailures() -> [(index: Int, failure: VringFailure)] {
    defer { failures = [] }
    return failures
  }

  /// The features that a front-end is offered.
  var offered: VirtioFeatures {
    device.deviceFeatures.union(options.ringFeatures).union(VirtioFeatures(rawValue: ProtocolFeatures.deviceBit))
  }

  /// Protocol features that make no sense without the rest are not offered.
  var offeredProtocol: ProtocolFeatures { options.protocolFeatures }

  var isTranslating: Bool { features.contains(.accessPlatform) }

  /// A vring by the number that a message names.
  func vring(_ index: UInt32) throws(VhostUserError) -> Vring {
    guard index < UInt32(vrings.count) else { throw .vringIndex(index, count: vrings.count) }
    return vrings[Int(index)]
  }

  /// Takes over an eventfd that came with a message.
  func doorbell(_ file: PassedDescriptor?, _ request: FrontendRequest) throws(VhostUserError) -> EventDoorbell? {
    guard let file else { return nil }
    // What is no eventfd could end this process with a signal when it is written to.
    guard cring_is_eventfd(file.fileDescriptor) else { throw .notAnEventFile(request: request.rawValue) }
    return EventDoorbell(attaching: try file.duplicate())
  }
}

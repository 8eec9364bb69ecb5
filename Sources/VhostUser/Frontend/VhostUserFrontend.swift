internal import CRing
internal import RingIOMMU
public import RingKit
public import RingPlatform

/// The driver's side of a vhost-user connection: hands a device in another process memory, rings and, behind an IOMMU,
/// translations.
///
/// One thread's, which must call ``service()`` often while a device behind an IOMMU works: it waits for answers. Every
/// reply is held against what was asked, in order; a wrong one ends the session. Requests wait up to ``timeout``, and
/// misses are answered meanwhile. It does not touch the rings: that is for a `DriverQueue` over the same memory.
///
/// The order of calls: ``negotiate(_:required:of:protocolFeatures:optional:queues:)``, ``config(offset:byteCount:)`` as
/// wanted, ``share(_:)``, ``trackInflight(queues:size:)`` as wanted, ``attach(_:)`` with ACCESS_PLATFORM,
/// ``start(_:_:)`` for each vring, and ``stop(_:)`` at the end. A back-end that went (``hasLostBackend``) is replaced
/// by ``reconnect(_:)`` and ``resume(_:at:)``.
public final class VhostUserFrontend {
  /// The features both sides agreed on.
  public private(set) var features = VirtioFeatures()
  /// The features that the device offered.
  public private(set) var offeredFeatures = VirtioFeatures()
  /// The extensions of the protocol both sides agreed on.
  public internal(set) var protocolFeatures = ProtocolFeatures()
  /// What was done so far.
  public internal(set) var counts = FrontendCounts()
  /// Whether a back-end that asks to read and write where it may only write is told that it may do both.
  ///
  /// rte_vhost asks so for every buffer it receives into and takes no less; on a real IOMMU it is what Linux maps on a
  /// VT-d unit without zero-length reads. What it costs in protection is counted: ``FrontendCounts/widenedUpdates``.
  public var grantsReadWithWrite = false
  /// Whether a back-end that ended is to be replaced.
  ///
  /// An unmap does not fail because of its end: it has no translation any more.
  public var awaitsSuccessor = false
  /// How long a request waits for its answer, in milliseconds.
  public let timeout: Int
  /// What that is measured by.
  package var clock = WaitClock()
  /// Asked some times a second while an answer is waited for; true ends the session.
  package var isOver: () -> Bool = { false }

  /// Whether the device has feature bit 30, with which vrings are enabled one by one.
  var hasProtocolFeatures = false
  var connection: VhostUserConnection
  /// The back-end's own requests; `nil` until ACCESS_PLATFORM is agreed on.
  var channel: VhostUserConnection?
  var remote: RemoteIOTLB?
  var memory: GuestMemory?
  /// What a successor has to agree on, and what it is handed.
  var agreed: (kind: DeviceKind, features: VirtioFeatures, protocolFeatures: ProtocolFeatures, queues: Int)?
  var vrings: [Int: VringSetup] = [:]
  /// Vrings that this back-end was handed.
  private var handedOver: Set<Int> = []
  private var session: DeviceSession<FrontendTransport>?
  var inflight: KeptInflight?
  /// Requests whose replies have not come, oldest first, and the number of the first of them.
  var awaited: [FrontendRequest] = []
  var answeredCount = 0
  /// Replies that a caller waits for, by the number of their request.
  var replies: [Int: VhostUserMessage] = [:]
  /// What ended the session.
  public internal(set) var failure: FrontendError?

  /// A session over a connection to a back-end, which it does not know yet.
  public init(_ connection: VhostUserConnection, timeout: Int = 10_000) {
    precondition(timeout > 0, "a request waits at least a millisecond")
    self.connection = connection
    self.timeout = timeout
  }

  deinit { remote?.detach() }

  /// Agrees on features with the device and on extensions with the back-end, and begins the session.
  ///
  /// ACCESS_PLATFORM brings REPLY_ACK and a channel for the back-end's requests with it: without an answer
  /// the front-end does not know when a translation is forgotten.
  ///
  /// - Parameters:
  ///   - wanted: features to agree on where the device offers them.
  ///   - required: features without which there is no session; VERSION_1 is always one.
  ///   - kind: what device it is, which says which of its own features need which.
  ///   - needed: extensions that the caller cannot do without.
  ///   - optional: extensions to agree on where the back-end offers them.
  ///   - queues: vrings that will be used.
  /// - Throws: ``FrontendError``.
  public func negotiate(
    _ wanted: VirtioFeatures, required: VirtioFeatures, of kind: DeviceKind = .block,
    protocolFeatures needed: ProtocolFeatures = [], optional: ProtocolFeatures = [], queues: Int
  ) throws(FrontendError) {
    let offered = VirtioFeatures(rawValue: try number(.getFeatures))
    let bit = VirtioFeatures(rawValue: ProtocolFeatures.deviceBit)
    offeredFeatures = offered.subtracting(bit)
    hasProtocolFeatures = offered.contains(bit)
    handedOver = []
    var session = DeviceSession(
      FrontendTransport(self, needed: needed, optional: optional, queues: queues), kind: kind,
      platform: Platform(secure: false))
    do throws(NegotiationError) {
      try session.begin()
      features = try session.negotiate(FeatureRequest(understood: wanted, required: required)).accepted
      self.session = consume session
    } catch {
      // What the connection or the back-end did wrong stands there already.
      if let failure { throw failure }
      let missing = required.union(.version1).subtracting(offered)
      throw fail(missing.isEmpty ? .negotiation(error) : .missingFeatures(missing, offered: offeredFeatures))
    }
    if protocolFeatures.contains(.backendRequests) { try openChannel() }
    agreed = agreed ?? (kind, features, protocolFeatures, queues)
  }

  /// Agrees on extensions with the back-end, and tells it the features that were accepted.
  fileprivate func agree(
    _ accepted: VirtioFeatures, needed: ProtocolFeatures, optional: ProtocolFeatures, queues: Int,
    status: DeviceStatus
  ) throws(FrontendError) {
    var needed = needed
    if accepted.contains(.accessPlatform) { needed.formUnion([.replyAck, .backendRequests]) }
    let extensions = hasProtocolFeatures ? ProtocolFeatures(rawValue: try number(.getProtocolFeatures)) : []
    guard extensions.isSuperset(of: needed) else {
      throw fail(.missingProtocolFeatures(needed.subtracting(extensions), offered: extensions))
    }
    let agreed = extensions.intersection(needed.union(optional).union([.queueCount, .replyAck, .status]))
    if hasProtocolFeatures {
      // Whether it is answered is what it decides.
      try send(.setProtocolFeatures(agreed), needsReply: false)
      protocolFeatures = agreed
    }
    try order(.setOwner)
    if agreed.contains(.status) {
      // What the driver wrote while it was not known whether there is a status to write to.
      try order(.setStatus([]))
      try order(.setStatus(status))
    }
    if agreed.contains(.queueCount) {
      let count = try number(.getQueueCount)
      guard count >= UInt64(queues) else { throw fail(.tooFewQueues(wanted: queues, offered: count)) }
    }
    let bit = VirtioFeatures(rawValue: ProtocolFeatures.deviceBit)
    try order(.setFeatures(hasProtocolFeatures ? accepted.union(bit) : accepted))
  }

  /// Says that all is set up (DRIVER_OK), once as many vrings were handed over as will be used.
  func noteHandOver(_ index: Int) throws(FrontendError) {
    handedOver.insert(index)
    guard protocolFeatures.contains(.status), handedOver.count == agreed?.queues else { return }
    if session?.status.contains(.driverOK) ?? true { return }
    do throws(NegotiationError) { try session?.start() } catch { throw failure ?? fail(.negotiation(error)) }
  }

  /// Looks whether the device says that it needs a reset, for whenever a queue stalls; without STATUS it cannot say so.
  ///
  /// - Throws: ``FrontendError``; among it ``FrontendError/negotiation(_:)`` with `NegotiationError.needsReset`.
  public func checkStatus() throws(FrontendError) {
    if let failure { throw failure }
    guard protocolFeatures.contains(.status) else { return }
    do throws(NegotiationError) { try session?.check() } catch { throw failure ?? fail(.negotiation(error)) }
  }

  fileprivate func readStatus() throws(FrontendError) -> DeviceStatus {
    let word = try number(.getStatus)
    guard let status = DeviceStatus(word: word) else { throw fail(.status(word)) }
    return status
  }

  private func openChannel() throws(FrontendError) {
    let (near, far) = try carrying { () throws(VhostUserError) in try VhostUserConnection.channel() }
    try order(.setBackendChannel(far))
    channel = near
  }

  /// What stands in the device's configuration space.
  ///
  /// - Throws: ``FrontendError``, among it ``FrontendError/config(offset:byteCount:received:)``.
  public func config(offset: Int, byteCount: Int) throws(FrontendError) -> [UInt8] {
    precondition(
      offset >= 0 && byteCount > 0 && offset + byteCount <= ConfigAccess.mostBytes,
      "a configuration space has at most \(ConfigAccess.mostBytes) bytes")
    let asked = ConfigAccess(offset: UInt32(offset), bytes: [UInt8](repeating: 0, count: byteCount))
    let reply = try request(.getConfig(asked))
    guard let access = try carrying({ () throws(VhostUserError) in try reply.configAccess() }) else {
      throw fail(.config(offset: offset, byteCount: byteCount, received: nil))
    }
    guard access.offset == asked.offset, access.bytes.count == byteCount else {
      throw fail(.config(offset: offset, byteCount: byteCount, received: access.bytes.count))
    }
    return access.bytes
  }

  /// Hands the device the shared regions of a guest's memory, and keeps them.
  ///
  /// - Throws: ``FrontendError``, among it ``FrontendError/regions(_:limit:)``.
  public func share(_ memory: GuestMemory) throws(FrontendError) {
    let shared = memory.regions.filter { $0.fileDescriptor != nil }
    guard (1...VhostUserMessage.mostDescriptors).contains(shared.count) else {
      throw fail(.regions(shared.count, limit: VhostUserMessage.mostDescriptors))
    }
    self.memory = memory
    let table = shared.map { region in
      MemoryTableEntry(
        guestAddress: region.guestBase, byteCount: UInt64(region.byteCount),
        userAddress: UInt64(region.hostBase.rawValue), fileOffset: region.fileOffset)
    }
    try order(.setMemoryTable(table, shared.compactMap(\.fileDescriptor).map { PassedDescriptor(borrowing: $0) }))
  }

  /// Ends the session with a reason; the first one stays.
  func fail(_ error: FrontendError) -> FrontendError {
    if failure == nil { failure = error }
    return failure ?? error
  }

  /// The error of this type for one of the connection.
  func carrying<Value: ~Copyable>(
    _ body: () throws(VhostUserError) -> Value
  ) throws(FrontendError) -> Value {
    do throws(VhostUserError) { return try body() } catch { throw fail(.connection(error)) }
  }
}

/// A vhost-user connection as a device's registers.
///
/// Without the extension STATUS there is no status: what is written is what is read. With it the device has one from
/// the moment that the extension is agreed on. The features are asked for once, because a back-end has one answer for a
/// connection.
private struct FrontendTransport: DeviceTransport {
  // The front-end owns the session, which owns this.
  private unowned let frontend: VhostUserFrontend
  private let (needed, optional, queues): (ProtocolFeatures, ProtocolFeatures, Int)
  private var written: DeviceStatus = []

  init(_ frontend: VhostUserFrontend, needed: ProtocolFeatures, optional: ProtocolFeatures, queues: Int) {
    self.frontend = frontend
    (self.needed, self.optional, self.queues) = (needed, optional, queues)
  }

  private var hasStatus: Bool { frontend.protocolFeatures.contains(.status) }

  func offeredFeatures() throws(TransportError) -> VirtioFeatures { frontend.offeredFeatures }

  func writeAcceptedFeatures(_ features: VirtioFeatures) throws(TransportError) {
    do throws(FrontendError) {
      try frontend.agree(features, needed: needed, optional: optional, queues: queues, status: written)
    } catch { throw TransportError(operation: "telling the back-end its features", reason: "\(error)") }
  }

  func status() throws(TransportError) -> DeviceStatus {
    guard hasStatus else { return written }
    do throws(FrontendError) { return try frontend.readStatus() } catch {
      throw TransportError(operation: "reading the device status", reason: "\(error)")
    }
  }

  mutating func writeStatus(_ status: DeviceStatus) throws(TransportError) {
    written = status
    guard hasStatus else { return }
    do throws(FrontendError) { try frontend.order(.setStatus(status)) } catch {
      throw TransportError(operation: "writing the device status", reason: "\(error)")
    }
  }
}

/// How often a front-end did what.
public struct FrontendCounts: Equatable, Sendable {
  /// Misses that the back-end asked about.
  public var misses: UInt64 = 0
  /// Misses of an address where nothing is mapped, or not for that access; they got no answer.
  public var unmappedMisses: UInt64 = 0
  /// Translations given.
  public var updates: UInt64 = 0
  /// Translations given before they were asked for (``AnnouncingMapper``).
  public var announcements: UInt64 = 0
  /// Those among both that permit more than the page table says (``VhostUserFrontend/grantsReadWithWrite``).
  public var widenedUpdates: UInt64 = 0
  /// Ranges taken back.
  public var invalidations: UInt64 = 0
  /// Accesses that the back-end reports as refused.
  public var refusedAccesses: UInt64 = 0
  /// Successors of back-ends that were gone, tried ones among them.
  public var reconnections: UInt64 = 0
  /// Messages sent on the connection, whatever they are.
  public var messages: UInt64 = 0

  /// All zero.
  public init() {}
}

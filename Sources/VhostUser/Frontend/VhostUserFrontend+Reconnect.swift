internal import RingKit

extension VhostUserFrontend {
  /// Whether the back-end is gone: the connection ended, and nothing that came over it was wrong.
  public var hasLostBackend: Bool {
    switch failure {
    case .connection(.closed), .connection(.truncated): true
    default: false
    }
  }

  /// Asks the back-end for memory to note in what is in flight, so that a successor finds it.
  ///
  /// After the memory was shared and before a vring starts. The front-end keeps it and hands it to each successor.
  ///
  /// - Parameters:
  ///   - queues: vrings that will be used.
  ///   - size: descriptors of the longest of them.
  /// - Returns: false when the back-end keeps no such notes: INFLIGHT_SHMFD is not agreed on, or it gave no memory.
  /// - Throws: ``FrontendError``; among it ``FrontendError/inflight(_:)`` for memory that is none.
  public func trackInflight(queues: Int, size: Int) throws(FrontendError) -> Bool {
    precondition((1...256).contains(queues) && (1...32_768).contains(size), "1 to 256 queues of 1 to 32768 descriptors")
    guard protocolFeatures.contains(.inflight) else { return false }
    let wanted = InflightDescription(queueCount: UInt16(queues), queueSize: UInt16(size))
    let reply = try request(.getInflight(wanted))
    // Neither bytes nor a file: it has none to give, as QEMU understands it too.
    let hasLength = reply.payload.count >= InflightDescription.packedByteCount
    if hasLength && reply.descriptors.isEmpty && reply.payload.prefix(8).allSatisfy({ $0 == 0 }) { return false }
    let (given, file) = try carrying { () throws(VhostUserError) in try reply.inflight() }
    let kept: KeptInflight
    do throws(InflightError) {
      kept = try KeptInflight(given, file: file, wanted: wanted, isPacked: features.contains(.packedRing))
    } catch { throw fail(.inflight(error)) }
    inflight = kept
    try order(.setInflight(kept.description, kept.file))
    return true
  }

  /// Goes on with the back-end that replaces one that is gone: agrees on the same, and hands it the same
  /// memory and the notes of what is in flight.
  ///
  /// REPLY_ACK, MQ and STATUS may be new with it: they say how messages go, and not what the rings are.
  ///
  /// For a session that ended with ``hasLostBackend``, this one or the last attempt. Each vring that was started waits
  /// for ``resume(_:at:)``. A back-end that is dead looks like one that only closed its socket: a living one still has
  /// the memory, and may write to it.
  ///
  /// - Parameter connection: to the successor, which has heard nothing.
  /// - Throws: ``FrontendError``; among it ``FrontendError/missingFeatures(_:offered:)`` and
  ///   ``FrontendError/missingProtocolFeatures(_:offered:)`` when it cannot do what was agreed on.
  public func reconnect(_ connection: VhostUserConnection) throws(FrontendError) {
    precondition(hasLostBackend, "a back-end is replaced once it is gone")
    guard let agreed else { preconditionFailure("a session begins with features to agree on") }
    self.connection = connection
    channel = nil
    (awaited, answeredCount, replies) = ([], 0, [:])
    (protocolFeatures, failure) = ([], nil)
    counts.reconnections &+= 1
    try negotiate(
      agreed.features, required: agreed.features, of: agreed.kind,
      protocolFeatures: agreed.protocolFeatures.subtracting(.status),
      queues: agreed.queues)
    if let memory { try share(memory) }
    if let inflight { try order(.setInflight(inflight.description, inflight.file)) }
  }

  /// Hands a vring that was started before to the successor.
  ///
  /// With notes of what is in flight the ring stands as its last device left it, and the successor serves what it finds
  /// noted. Without them only the driver knows: it takes the ring as new (`DriverQueue.reset(_:)`) and adds again what
  /// was abandoned. Either way a request may be done twice, and comes back once; and the kick must be rung, because the
  /// last device may have taken it.
  ///
  /// - Parameters:
  ///   - index: the vring's.
  ///   - position: `DriverQueue.devicePosition`; `nil` for a ring that was made new.
  /// - Throws: ``FrontendError``.
  public func resume(_ index: Int, at position: UInt16?) throws(FrontendError) {
    guard let vring = vrings[index] else { preconditionFailure("a vring is resumed that was started") }
    precondition(position != nil || inflight == nil, "notes of what is in flight are of the ring as it stands")
    let base = position.map { UInt32($0) | (vring.isPacked ? UInt32($0) << 16 : 0) }
    try handOver(index, vring, base: base ?? vring.firstPosition)
  }
}

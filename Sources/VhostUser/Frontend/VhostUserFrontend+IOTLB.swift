public import RingIOMMU
public import RingKit

extension VhostUserFrontend {
  /// Puts the device behind an IOMMU: its misses are answered from the domain's page table, and an unmap waits until
  /// the device has forgotten the translation.
  ///
  /// The domain must be `InvalidationServer.waiter`, because this thread maps and serves. ACCESS_PLATFORM must be
  /// agreed on.
  public func attach(_ domain: IOMMUDomain) {
    precondition(features.contains(.accessPlatform), "a device that translates needs ACCESS_PLATFORM")
    precondition(domain.configuration.servedBy == .waiter, "a domain whose invalidations the waiter serves")
    precondition(remote == nil, "a device is behind one IOMMU")
    remote = RemoteIOTLB(domain: domain) { [unowned self] range in forget(range) }
  }

  /// Its sockets, for a caller's own poll: when one is readable, ``service()`` has something to do.
  public var fileDescriptors: [Int32] { [connection.fileDescriptor] + (channel.map { [$0.fileDescriptor] } ?? []) }

  /// Does what the back-end asked for since the last call: answers misses and takes acknowledgements.
  ///
  /// - Throws: ``FrontendError``; the session is over then.
  public func service() throws(FrontendError) {
    try checkMemory()
    try receiveReplies()
    try serveChannel()
  }

  /// Takes a range back, but for what stays mapped in it, and waits; false when the session is over.
  private func forget(_ range: IOMMURange) -> Bool {
    // A back-end that loses a vring's own pages stops to look at it, and they are mapped as they were.
    for part in IOMMURange.parts(of: range, without: vrings.values.compactMap(\.windowRange)) {
      do throws(FrontendError) {
        counts.invalidations &+= 1
        try order(.iotlb(IOTLBMessage(.invalidate, address: part.address, byteCount: part.byteCount)))
      } catch {
        return awaitsSuccessor && hasLostBackend
      }
    }
    return true
  }

  func serveChannel() throws(FrontendError) {
    guard let channel else { return }
    try carrying { () throws(VhostUserError) in try channel.flush() }
    for _ in 0..<Self.messageBudget {
      guard let message = try carrying({ () throws(VhostUserError) in try channel.receive() }) else { return }
      let request = try carrying { () throws(VhostUserError) in try BackendMessage(message) }
      // What the configuration space says is read when it is wanted.
      let isDone = if case .iotlb(let miss) = request { try answer(miss) } else { true }
      if message.flags.contains(.needReply) {
        try carrying { () throws(VhostUserError) in try channel.send(message.reply(isDone ? 0 : 1)) }
      }
    }
  }

  /// Answers a miss; false when there is no translation that permits the access.
  private func answer(_ message: IOTLBMessage) throws(FrontendError) -> Bool {
    switch message.kind {
    case .miss: break
    case .accessFailed:
      counts.refusedAccesses &+= 1
      return true
    case .update, .invalidate: throw fail(.wrongIOTLBMessage(message))
    }
    counts.misses &+= 1
    guard let found = remote?.translation(of: message.address) else {
      counts.unmappedMisses &+= 1
      return false
    }
    let permissions = permissions(of: found, for: message.permissions)
    guard permissions.isSuperset(of: message.permissions) else {
      counts.unmappedMisses &+= 1
      return false
    }
    counts.updates &+= 1
    try send(.iotlb(found.update(permissions)), needsReply: protocolFeatures.contains(.replyAck))
    return true
  }

  /// What the page table permits, and more where that is allowed and asked for.
  private func permissions(of found: IOMMUTranslation, for wanted: IOTLBPermissions) -> IOTLBPermissions {
    guard grantsReadWithWrite && found.permissions == .write && wanted.contains(.read) else { return found.permissions }
    counts.widenedUpdates &+= 1
    return [.read, .write]
  }

  /// Gives the device the translations of a range before it asks, and waits until it has them; false when the session
  /// is over.
  func announce(_ address: IOVA, byteCount: UInt64) -> Bool {
    var at = address.rawValue
    while at < address.rawValue + byteCount, let found = remote?.translation(of: IOVA(at)) {
      counts.announcements &+= 1
      do throws(FrontendError) {
        try order(.iotlb(found.update(permissions(of: found, for: [.read, .write]))))
      } catch {
        // Its successor asks.
        return awaitsSuccessor && hasLostBackend
      }
      at = found.range.address.rawValue + found.range.byteCount
    }
    return true
  }
}

extension IOMMUTranslation {
  /// What the device may do, as an IOTLB message has it.
  fileprivate var permissions: IOTLBPermissions {
    var permissions: IOTLBPermissions = []
    if isReadable { permissions.formUnion(.read) }
    if isWritable { permissions.formUnion(.write) }
    return permissions
  }

  fileprivate func update(_ permissions: IOTLBPermissions) -> IOTLBMessage {
    IOTLBMessage(
      .update, address: range.address, byteCount: range.byteCount, userAddress: UInt64(host.rawValue),
      permissions: permissions)
  }
}

/// A DMA path behind an IOMMU that tells the device of each mapping before the buffer is made available.
///
/// For a device that drops a buffer whose translation it would have to ask for, as rte_vhost does when it takes frames
/// out of a packed ring. Each map then waits for the device, as each does behind an IOMMU in caching mode. Owned by the
/// thread of the front-end.
public struct AnnouncingMapper<Base: DMAMapper & ~Copyable>: DMAMapper, ~Copyable {
  /// As the path has them.
  public typealias Mapping = Base.Mapping
  /// As the path has it.
  public typealias Counter = Base.Counter

  private var base: Base
  private let frontend: VhostUserFrontend?

  /// A path whose mappings are announced through `frontend`; not announced where that is `nil`.
  public init(_ base: consuming Base, to frontend: VhostUserFrontend?) {
    self.base = base
    self.frontend = frontend
  }

  /// The work of the wrapped path.
  public var work: Counter {
    get { base.work }
    set { base.work = newValue }
  }

  /// What the path beneath has.
  public static var isTrusted: Bool { Base.isTrusted }

  /// The wrapped path's value for a slot in which nothing is mapped.
  public static var unmapped: Mapping { Base.unmapped }

  /// Maps, and returns when the device knows.
  ///
  /// - Throws: `DMAError`; among it `DMAError.deviceUnreachable` when the session is over.
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    let mapped = try base.mapChecked(segment, direction)
    if let frontend, !frontend.announce(mapped.address, byteCount: UInt64(segment.length)) {
      try base.unmap(mapped.mapping, direction)
      throw .deviceUnreachable
    }
    return mapped
  }

  /// Unmaps through the wrapped path.
  public mutating func unmap(
    _ mapping: Mapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    try base.unmap(mapping, direction, written: written)
  }

  /// Lets the wrapped path do what is due by now.
  public mutating func poll() throws(DMAError) { try base.poll() }

  /// Completes what the wrapped path deferred.
  public mutating func flush() throws(DMAError) { try base.flush() }
}

extension IOMMURange {
  /// The parts of a range that lie in none of the others.
  static func parts(of range: IOMMURange, without others: [IOMMURange]) -> [IOMMURange] {
    others.reduce([range]) { parts, other in parts.flatMap { $0.parts(without: other) } }
  }

  private func parts(without other: IOMMURange) -> [IOMMURange] {
    let (start, end) = (address.rawValue, address.rawValue + byteCount)
    let (from, to) = (max(start, other.address.rawValue), min(end, other.address.rawValue + other.byteCount))
    guard from < to else { return [self] }
    var parts: [IOMMURange] = []
    if from > start { parts.append(IOMMURange(address, byteCount: from - start)) }
    if to < end { parts.append(IOMMURange(IOVA(to), byteCount: end - to)) }
    return parts
  }
}

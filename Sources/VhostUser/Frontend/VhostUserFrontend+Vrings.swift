public import RingIOMMU
public import RingKit

extension VhostUserFrontend {
  /// Hands a vring over and lets the device begin.
  ///
  /// Its memory must be among what was shared, and mapped for good (``VringSetup/window``) where ACCESS_PLATFORM is
  /// agreed on. The ring is empty, as a new `DriverQueue` leaves it.
  ///
  /// - Throws: ``FrontendError``.
  public func start(_ index: Int, _ vring: VringSetup) throws(FrontendError) {
    try start(index, vring, at: vring.firstPosition)
  }

  /// The same for a ring that stands at another position than its first.
  ///
  /// - Parameters:
  ///   - index: the vring's.
  ///   - vring: what the device has to know of it.
  ///   - base: the next available entry, in a packed ring with both wrap counters, as ``stop(_:)`` returns it.
  /// - Throws: ``FrontendError``.
  package func start(_ index: Int, _ vring: VringSetup, at base: UInt32) throws(FrontendError) {
    precondition((0...255).contains(index), "a vring's index is 0 to 255")
    precondition(
      (vring.window != nil) == features.contains(.accessPlatform), "a vring has a window with ACCESS_PLATFORM only")
    vrings[index] = vring
    try handOver(index, vring, base: base)
  }

  /// Tells the back-end all of a vring.
  func handOver(_ index: Int, _ vring: VringSetup, base: UInt32) throws(FrontendError) {
    let number = UInt32(index)
    try order(.setVringSize(VringState(index: number, value: UInt32(vring.size))))
    try order(.setVringBase(VringState(index: number, value: base)))
    try order(
      .setVringAddress(
        VringAddress(
          index: number, descriptors: try address(vring.descriptors, vring, index),
          used: try address(vring.devicePart, vring, index), available: try address(vring.driverPart, vring, index))))
    try order(.setVringCall(index: index, PassedDescriptor(borrowing: vring.call.fileDescriptor)))
    try order(.setVringKick(index: index, PassedDescriptor(borrowing: vring.kick.fileDescriptor)))
    // Without protocol features a vring runs from its kick on.
    if !hasProtocolFeatures { return }
    try order(.setVringEnable(VringState(index: number, value: 1)))
    try noteHandOver(index)
  }

  /// Takes a vring back; what the device has not completed by then stays so.
  ///
  /// From then on its window can be given back: the device is told to forget it as of any other mapping.
  ///
  /// - Returns: where the device stopped: the next available entry, in a packed ring with the wrap counters.
  /// - Throws: ``FrontendError``.
  @discardableResult
  public func stop(_ index: Int) throws(FrontendError) -> UInt32 {
    let reply = try request(.getVringBase(VringState(index: UInt32(index), value: 0)))
    let state = try carrying { () throws(VhostUserError) in try reply.vringState() }
    guard state.index == UInt32(index), isPosition(state.value, vrings[index]?.size ?? 32_768) else {
      throw fail(.vringBase(index: index, state.value))
    }
    vrings[index] = nil
    return state.value
  }

  /// Whether a ring of `size` can stop there: a split one anywhere, a packed one at two entries, each with a wrap
  /// counter.
  private func isPosition(_ value: UInt32, _ size: Int) -> Bool {
    guard features.contains(.packedRing) else { return value <= 0xffff }
    return value & 0x7fff < UInt32(size) && value >> 16 & 0x7fff < UInt32(size)
  }

  /// What a vring's part is called towards the back-end: an IOVA, or where it is mapped here.
  private func address(
    _ part: GuestPhysicalAddress, _ vring: VringSetup, _ index: Int
  ) throws(FrontendError) -> UInt64 {
    if let window = vring.window {
      let offset = part.rawValue &- window.buffer.address.rawValue
      guard offset < UInt64(window.buffer.byteCount) else { throw fail(.vringMemory(index: index, part)) }
      return window.address.rawValue + offset
    }
    guard let host = memory?.deviceTable.translate(part, length: 4) else {
      throw fail(.vringMemory(index: index, part))
    }
    return UInt64(host.rawValue)
  }
}

/// What a back-end has to know of a vring.
public struct VringSetup: Sendable {
  /// Descriptors in the ring.
  public let size: Int
  /// The descriptor table of a split ring, the descriptor ring of a packed one.
  public let descriptors: GuestPhysicalAddress
  /// What the driver writes: the available ring, or the driver's event suppression.
  public let driverPart: GuestPhysicalAddress
  /// What the device writes: the used ring, or the device's event suppression.
  public let devicePart: GuestPhysicalAddress
  /// Whether it is a packed ring.
  public let isPacked: Bool
  /// Where a device behind an IOMMU sees the ring; `nil` without ACCESS_PLATFORM.
  public let window: PremappedBuffer?
  /// Rung by the driver.
  public let kick: EventDoorbell
  /// Rung by the device.
  public let call: EventDoorbell

  /// A split ring.
  public init(_ ring: SplitRing, window: PremappedBuffer? = nil, kick: EventDoorbell, call: EventDoorbell) {
    (size, isPacked) = (ring.size, false)
    (descriptors, driverPart, devicePart) = (
      ring.addresses.descriptors, ring.addresses.available, ring.addresses.used
    )
    (self.window, self.kick, self.call) = (window, kick, call)
  }

  /// A packed ring.
  public init(_ ring: PackedRing, window: PremappedBuffer? = nil, kick: EventDoorbell, call: EventDoorbell) {
    (size, isPacked) = (ring.size, true)
    (descriptors, driverPart, devicePart) = (
      ring.addresses.descriptors, ring.addresses.driverEvent, ring.addresses.deviceEvent
    )
    (self.window, self.kick, self.call) = (window, kick, call)
  }

  /// The pages that stay mapped while the device works on it.
  var windowRange: IOMMURange? {
    guard let window else { return nil }
    let first = window.address.rawValue & ~4095
    let end = (window.address.rawValue + UInt64(window.buffer.byteCount) + 4095) & ~4095
    return IOMMURange(IOVA(first), byteCount: end - first)
  }

  /// Where an empty ring begins: entry 0, with both wrap counters of a packed one set.
  var firstPosition: UInt32 { isPacked ? 0x8000_8000 : 0 }
}

public import RingIOMMU
public import RingKit

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

  /// Where an empty ring begins: entry 0, with both wrap counters of a packed one set.
  var firstPosition: UInt32 { isPacked ? 0x8000_8000 : 0 }
}

public import RingIOMMU
public import RingKit

/// A queue as it is handed to a device in another process: where its ring is, how its addresses are meant, where it
/// stands.
///
/// Both sides poll: there is no notification to pass on.
public struct DeviceQueueDescription: Equatable, Sendable {
  /// Whether the ring is packed, how long it is, and the features; they have to agree.
  public var configuration: QueueConfiguration
  /// Descriptor table or ring; available ring or driver events; used ring or device events.
  public var addresses: [GuestPhysicalAddress]
  /// Where IOVAs lead, for a device behind an IOMMU whose mappings stay as they are; `nil`: addresses are
  /// guest-physical.
  public var windows: [DMAWindow]?
  /// Whether the windows are held in leaves of up to 1 GiB where they allow it, or in pages of 4 KiB.
  public var usesLargePages = false
  /// The address space of a device whose driver maps each buffer; then there are no ``windows``.
  ///
  /// On the driver's side that of a `DomainAttachment`, of which each queue has one of its own.
  public var domain: SharedDomain?
  /// Sets of the device's IOTLB, a power of two; used with ``windows`` or a ``domain``.
  public var iotlbSets: Int
  /// Where the device goes on: the used index of a split ring; of a packed one the offset, with the wrap counter in bit
  /// 15.
  ///
  /// 0 and 0x8000 for a queue that is new: as vhost's ring base.
  public var position: UInt16
  /// Eight words for the program on the other side.
  public var program: [UInt64]

  /// A new split queue.
  public init(_ configuration: QueueConfiguration, _ ring: SplitRing) {
    let (a, b, c) = ring.addresses
    self.init(configuration, [a, b, c], position: 0)
  }

  /// A new packed queue.
  public init(_ configuration: QueueConfiguration, _ ring: PackedRing) {
    let (a, b, c) = ring.addresses
    self.init(configuration, [a, b, c], position: WrapCounter().word)
  }

  init(_ configuration: QueueConfiguration, _ addresses: [GuestPhysicalAddress], position: UInt16) {
    self.configuration = configuration
    self.addresses = addresses
    iotlbSets = 64
    self.position = position
    program = []
  }
}

extension DeviceQueueDescription {
  /// The ring, in the memory that was passed.
  ///
  /// - Throws: ``DeviceHandshakeError/outOfBounds(_:byteCount:)`` or ``DeviceHandshakeError/ring(_:)``.
  public func splitRing(in memory: GuestMemory) throws(DeviceHandshakeError) -> SplitRing {
    let size = try ringSize
    let parts = try parts(memory, [16 * size, 6 + 2 * size, 6 + 8 * size])
    do throws(ConfigurationError) {
      return try SplitRing(descriptors: parts[0], available: parts[1], used: parts[2], size: size)
    } catch { throw .ring(error) }
  }

  /// The ring, in the memory that was passed.
  ///
  /// - Throws: ``DeviceHandshakeError/outOfBounds(_:byteCount:)`` or ``DeviceHandshakeError/ring(_:)``.
  public func packedRing(in memory: GuestMemory) throws(DeviceHandshakeError) -> PackedRing {
    let size = try ringSize
    let parts = try parts(memory, [16 * size, 4, 4])
    do throws(ConfigurationError) {
      return try PackedRing(descriptors: parts[0], driverEvent: parts[1], deviceEvent: parts[2], size: size)
    } catch { throw .ring(error) }
  }

  /// Checked before a size is reckoned from it: what came in a message is, a description of one's own need not be.
  private var ringSize: Int {
    get throws(DeviceHandshakeError) {
      guard (1...32_768).contains(configuration.size) else { throw .ring(.invalidSize(configuration.size)) }
      return configuration.size
    }
  }

  private func parts(_ memory: GuestMemory, _ sizes: [Int]) throws(DeviceHandshakeError) -> [GuestBuffer] {
    guard addresses.count == sizes.count else { throw .wrongField("addresses", UInt64(addresses.count)) }
    var parts: [GuestBuffer] = []
    for (address, byteCount) in zip(addresses, sizes) {
      guard let part = memory.sharedBuffer(at: address, byteCount: byteCount) else {
        throw .outOfBounds(address, byteCount: byteCount)
      }
      parts.append(part)
    }
    return parts
  }
}

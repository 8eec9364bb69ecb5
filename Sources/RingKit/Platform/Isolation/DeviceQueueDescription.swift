/// A queue as it is handed to a device in another process: where its ring is, how its addresses are meant, where it stands.
///
/// In version 1 both sides poll: there is no notification to pass on.
public struct DeviceQueueDescription: Equatable, Sendable {
  /// Whether the ring is packed, how long it is, and the features; they have to agree.
  public var configuration: QueueConfiguration
  /// Descriptor table or ring; available ring or driver events; used ring or device events.
  public var addresses: [GuestPhysicalAddress]
  /// Where IOVAs lead, for a device behind an IOMMU whose mappings stay as they are; `nil`: addresses are guest-physical.
  public var windows: [DMAWindow]?
  /// Whether the windows are held in leaves of up to 1 GiB where they allow it, or in pages of 4 KiB.
  public var usesLargePages = false
  /// Sets of the device's IOTLB, a power of two; used with ``windows``.
  public var iotlbSets: Int
  /// Where the device goes on: the used index of a split ring; of a packed one the offset, with the wrap counter in bit 15.
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

  private init(_ configuration: QueueConfiguration, _ addresses: [GuestPhysicalAddress], position: UInt16) {
    self.configuration = configuration
    self.addresses = addresses
    iotlbSets = 64
    self.position = position
    program = []
  }
}

extension DeviceQueueDescription {
  private static let mostWindows = 3
  private static let bothPoll: UInt64 = 3

  /// Whether the ring is packed.
  public var isPacked: Bool { configuration.features.contains(.packedRing) }

  /// What a message says.
  ///
  /// Word 2: 0 split, 1 packed. 3: size. 4: features. 5...7: addresses. 8: who polls, bit 0 the driver and bit 1 the
  /// device. 9: the position. 10: 0 guest-physical addresses, 1 windows in pages
  /// of 4 KiB, 2 windows in leaves of any size. 11: IOTLB sets. 12: the number of windows, up to
  /// 3; from 13 on, IOVA, guest-physical address and size of each. 24...31: the program's own.
  init(_ message: DeviceMessage) throws(DeviceHandshakeError) {
    let words = message.words
    guard words[2] <= 1 else { throw .wrongField("layout", words[2]) }
    let features = VirtioFeatures(rawValue: words[4])
    guard features.contains(.packedRing) == (words[2] == 1) else { throw .wrongField("features", words[4]) }
    guard (1...32_768).contains(words[3]) else { throw .wrongField("queue size", words[3]) }
    guard words[8] == Self.bothPoll else { throw .wrongField("polling", words[8]) }
    guard words[9] <= UInt64(UInt16.max) else { throw .wrongField("position", words[9]) }
    guard words[10] <= 2 else { throw .wrongField("translation", words[10]) }
    guard words[12] <= UInt64(Self.mostWindows), words[10] != 0 || words[12] == 0 else {
      throw .wrongField("window count", words[12])
    }
    let count = Int(words[12])
    try message.requireZero(13 + 3 * count..<DeviceMessage.configurationWords.lowerBound)
    // No indirect tables of a device's own: what the driver uses it finds in the descriptors.
    self.init(
      QueueConfiguration(size: Int(words[3]), features: features, indirectCapacity: 0),
      (5...7).map { GuestPhysicalAddress(words[$0]) }, position: UInt16(words[9]))
    do throws(QueueConfigurationError) { try configuration.validate(packed: isPacked) } catch { throw .ring(error) }
    if isPacked, Int(position & 0x7fff) >= configuration.size { throw .wrongField("position", words[9]) }
    if words[10] != 0 {
      usesLargePages = words[10] == 2
      guard (1...65_536).contains(words[11]), words[11] & (words[11] - 1) == 0 else {
        throw .wrongField("IOTLB sets", words[11])
      }
      iotlbSets = Int(words[11])
      var found: [DMAWindow] = []
      for i in 0..<count {
        guard
          let window = DMAWindow(
            IOVA(words[13 + 3 * i]), to: GuestPhysicalAddress(words[14 + 3 * i]), byteCount: words[15 + 3 * i])
        else { throw .wrongField("window", words[13 + 3 * i]) }
        found.append(window)
      }
      windows = found
    } else if words[11] != 0 {
      throw .wrongField("IOTLB sets", words[11])
    }
    program = message.configuration
  }

  func message() throws(DeviceHandshakeError) -> DeviceMessage {
    var message = DeviceMessage(.queue)
    message.words[2] = isPacked ? 1 : 0
    message.words[3] = UInt64(configuration.size)
    message.words[4] = configuration.features.rawValue
    for (i, address) in addresses.enumerated() { message.words[5 + i] = address.rawValue }
    message.words[8] = Self.bothPoll
    message.words[9] = UInt64(position)
    if let windows {
      guard windows.count <= Self.mostWindows else { throw .wrongField("window count", UInt64(windows.count)) }
      message.words[10] = usesLargePages ? 2 : 1
      message.words[11] = UInt64(iotlbSets)
      message.words[12] = UInt64(windows.count)
      for (i, window) in windows.enumerated() {
        message.words[13 + 3 * i] = window.address.rawValue
        message.words[14 + 3 * i] = window.target.rawValue
        message.words[15 + 3 * i] = window.byteCount
      }
    }
    message.configuration = program
    return message
  }
}

extension DeviceQueueDescription {
  /// The ring, in the memory that was passed.
  ///
  /// - Throws: ``DeviceHandshakeError/outOfBounds(_:byteCount:)`` or ``DeviceHandshakeError/ring(_:)``.
  public func splitRing(in memory: GuestMemory) throws(DeviceHandshakeError) -> SplitRing {
    let size = configuration.size
    let parts = try parts(memory, [16 * size, 6 + 2 * size, 6 + 8 * size])
    do throws(QueueConfigurationError) {
      return try SplitRing(descriptors: parts[0], available: parts[1], used: parts[2], size: size)
    } catch { throw .ring(error) }
  }

  /// The ring, in the memory that was passed.
  ///
  /// - Throws: ``DeviceHandshakeError/outOfBounds(_:byteCount:)`` or ``DeviceHandshakeError/ring(_:)``.
  public func packedRing(in memory: GuestMemory) throws(DeviceHandshakeError) -> PackedRing {
    let parts = try parts(memory, [16 * configuration.size, 4, 4])
    do throws(QueueConfigurationError) {
      return try PackedRing(
        descriptors: parts[0], driverEvent: parts[1], deviceEvent: parts[2], size: configuration.size)
    } catch { throw .ring(error) }
  }

  private func parts(_ memory: GuestMemory, _ sizes: [Int]) throws(DeviceHandshakeError) -> [GuestBuffer] {
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

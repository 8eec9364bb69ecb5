internal import RingIOMMU
internal import RingKit

extension DeviceQueueDescription {
  private static let mostWindows = 3
  private static let bothPoll: UInt64 = 3

  /// Whether the ring is packed.
  public var isPacked: Bool { configuration.features.contains(.packedRing) }

  /// What a message says; descriptors that were taken over are no longer among `descriptors`.
  ///
  /// Word 2: 0 split, 1 packed. 3: size. 4: features. 5...7: addresses. 8: which ends poll, bit 0 the driver and bit 1
  /// the device. 9: the position. 10: 0 guest-physical addresses, 1 windows in pages of 4 KiB, 2 windows in leaves of
  /// any size, 3 a shared domain. 11: IOTLB sets. 12: the number of windows, up to 3; from 13 on, IOVA, guest-physical
  /// address and size of each. Of a shared domain 12: its layout, which is 1; 13 and 14: bytes of its tables and of the
  /// page for answers. 24...31: the program's own.
  init(_ message: DeviceMessage, _ descriptors: inout [Int32]) throws(DeviceHandshakeError) {
    let words = message.words
    guard words[2] <= 1 else { throw .wrongField("layout", words[2]) }
    let features = VirtioFeatures(rawValue: words[4])
    guard features.contains(.packedRing) == (words[2] == 1) else { throw .wrongField("features", words[4]) }
    guard (1...32_768).contains(words[3]) else { throw .wrongField("queue size", words[3]) }
    guard words[8] == Self.bothPoll else { throw .wrongField("polling", words[8]) }
    guard words[9] <= UInt64(UInt16.max) else { throw .wrongField("position", words[9]) }
    guard words[10] <= 3 else { throw .wrongField("translation", words[10]) }
    // No indirect tables of a device's own: what the driver uses it finds in the descriptors.
    self.init(
      QueueConfiguration(size: Int(words[3]), features: features, indirectCapacity: 0),
      (5...7).map { GuestPhysicalAddress(words[$0]) }, position: UInt16(words[9]))
    do throws(ConfigurationError) { try configuration.validate(packed: isPacked) } catch { throw .ring(error) }
    if isPacked, Int(position & 0x7fff) >= configuration.size { throw .wrongField("position", words[9]) }
    let expected = words[10] == 3 ? 2 : 0
    guard descriptors.count == expected else {
      throw .wrongDescriptors(expected: expected, found: descriptors.count)
    }
    if words[10] == 0 {
      guard words[11] == 0 else { throw .wrongField("IOTLB sets", words[11]) }
      guard words[12] == 0 else { throw .wrongField("window count", words[12]) }
      try message.requireZero(13..<DeviceMessage.configurationWords.lowerBound)
    } else {
      guard (1...65_536).contains(words[11]), words[11] & (words[11] - 1) == 0 else {
        throw .wrongField("IOTLB sets", words[11])
      }
      iotlbSets = Int(words[11])
      if words[10] == 3 {
        domain = try Self.domain(message, &descriptors)
      } else {
        usesLargePages = words[10] == 2
        windows = try Self.windows(message)
      }
    }
    program = message.configuration
  }

  private static func windows(_ message: DeviceMessage) throws(DeviceHandshakeError) -> [DMAWindow] {
    let words = message.words
    guard words[12] <= UInt64(mostWindows) else { throw .wrongField("window count", words[12]) }
    let count = Int(words[12])
    try message.requireZero(13 + 3 * count..<DeviceMessage.configurationWords.lowerBound)
    var found: [DMAWindow] = []
    for i in 0..<count {
      guard
        let window = DMAWindow(
          IOVA(words[13 + 3 * i]), to: GuestPhysicalAddress(words[14 + 3 * i]), byteCount: words[15 + 3 * i])
      else { throw .wrongField("window", words[13 + 3 * i]) }
      found.append(window)
    }
    return found
  }

  private static func domain(
    _ message: DeviceMessage, _ descriptors: inout [Int32]
  ) throws(DeviceHandshakeError) -> SharedDomain {
    let words = message.words
    guard words[12] == SharedDomainLayout.number else { throw .wrongField("domain layout", words[12]) }
    // As much as 2^24 pages of tables are, and a page of answers.
    guard words[13] <= 1 << 37 else { throw .wrongField("table size", words[13]) }
    guard words[14] == UInt64(SharedDomainLayout.completionByteCount) else {
      throw .wrongField("answer size", words[14])
    }
    try message.requireZero(15..<DeviceMessage.configurationWords.lowerBound)
    let domain: SharedDomain?
    do throws(MemoryError) {
      domain = try SharedDomain(
        &descriptors, tableByteCount: Int(words[13]), completionByteCount: Int(words[14]))
    } catch { throw .memory(error) }
    guard let domain else { throw .wrongField("table size", words[13]) }
    return domain
  }

  func message() throws(DeviceHandshakeError) -> DeviceMessage {
    var message = DeviceMessage(.queue)
    guard configuration.size >= 0 else {
      throw .wrongField("queue size", UInt64(bitPattern: Int64(configuration.size)))
    }
    guard addresses.count == 3 else { throw .wrongField("addresses", UInt64(addresses.count)) }
    guard iotlbSets >= 0 else { throw .wrongField("IOTLB sets", UInt64(bitPattern: Int64(iotlbSets))) }
    message.words[2] = isPacked ? 1 : 0
    message.words[3] = UInt64(configuration.size)
    message.words[4] = configuration.features.rawValue
    for (i, address) in addresses.enumerated() { message.words[5 + i] = address.rawValue }
    message.words[8] = Self.bothPoll
    message.words[9] = UInt64(position)
    if let domain {
      message.words[10] = 3
      message.words[11] = UInt64(iotlbSets)
      message.words[12] = SharedDomainLayout.number
      message.words[13] = UInt64(domain.tables.byteCount)
      message.words[14] = UInt64(domain.completions.byteCount)
    } else if let windows {
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
    try message.setConfiguration(program)
    return message
  }

  /// What goes along with the message.
  var descriptors: [Int32] {
    guard let domain else { return [] }
    return [domain.tables, domain.completions].compactMap(\.fileDescriptor)
  }
}

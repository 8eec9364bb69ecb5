/// Where the three parts of a split ring lie (virtio 1.2, 2.7), and where their fields are.
///
/// No policy.
@frozen
public struct SplitRing: Sendable {
  /// The descriptor table: 16 bytes an entry; written by the driver only.
  @usableFromInline package let descriptors: SharedMemory
  /// The available ring: 6 bytes and 2 an entry; written by the driver only.
  @usableFromInline package let available: SharedMemory
  /// The used ring: 6 bytes and 8 an entry; written by the device only.
  @usableFromInline package let used: SharedMemory
  /// Entries, a power of two.
  public let size: Int
  /// Guest-physical addresses of the three parts, as a transport hands them to the device.
  public let addresses: (descriptors: GuestPhysicalAddress, available: GuestPhysicalAddress, used: GuestPhysicalAddress)
  private let regions: [MemoryRegion]

  /// Bytes that a ring of `size` entries takes in one buffer, each part in lines of its own.
  public static func byteCount(size: Int) -> Int { usedOffset(size) + 6 + 8 * size }

  private static func availableOffset(_ size: Int) -> Int { roundUp(16 * size) }

  private static func usedOffset(_ size: Int) -> Int { roundUp(availableOffset(size) + 6 + 2 * size) }

  // 128: driver and device write different pairs of cache lines, which adjacent-line prefetch moves together.
  private static func roundUp(_ bytes: Int) -> Int { (bytes + 127) & ~127 }

  /// Lays a ring out in one buffer.
  ///
  /// - Throws: ``ConfigurationError`` for a size that is not a power of two to 32,768, too little memory or a
  ///   start that is not a multiple of 16.
  public init(in buffer: GuestBuffer, size: Int) throws(ConfigurationError) {
    guard (1...32_768).contains(size), size & (size - 1) == 0 else { throw .invalidSize(size) }
    guard buffer.byteCount >= Self.byteCount(size: size) else {
      throw .memoryTooSmall(available: buffer.byteCount, needed: Self.byteCount(size: size))
    }
    let (a, u) = (Self.availableOffset(size), Self.usedOffset(size))
    try self.init(
      descriptors: buffer.slice(at: 0, byteCount: 16 * size), available: buffer.slice(at: a, byteCount: 6 + 2 * size),
      used: buffer.slice(at: u, byteCount: 6 + 8 * size), size: size)
  }

  /// Takes three parts that lie wherever the driver put them.
  ///
  /// - Throws: ``ConfigurationError`` as above; the parts' alignments are 16, 2 and 4 (S1).
  public init(
    descriptors: GuestBuffer, available: GuestBuffer, used: GuestBuffer, size: Int
  ) throws(ConfigurationError) {
    guard (1...32_768).contains(size), size & (size - 1) == 0 else { throw .invalidSize(size) }
    self.descriptors = try descriptors.ringPart(16 * size, alignment: 16)
    self.available = try available.ringPart(6 + 2 * size, alignment: 2)
    self.used = try used.ringPart(6 + 8 * size, alignment: 4)
    self.size = size
    addresses = (descriptors.address, available.address, used.address)
    regions = [descriptors.region, available.region, used.region]
  }

  /// Zeroes all three parts, as a driver does before it hands a ring over (S16).
  public func clear() {
    for i in 0..<size {
      descriptors.store64(0, 16 * i)
      descriptors.store64(0, 16 * i + 8)
      available.store16(0, 4 + 2 * i)
      used.store32(0, 4 + 8 * i)
      used.store32(0, 8 + 8 * i)
    }
    for offset in [0, 2, 4 + 2 * size] { available.store16(0, offset) }
    for offset in [0, 2, 4 + 8 * size] { used.store16(0, offset) }
  }

  @inlinable @inline(__always)
  static var indexOffset: Int { 2 }

  /// `used_event`, in the available ring.
  @inlinable
  var usedEventOffset: Int { 4 &+ 2 &* size }

  /// `avail_event`, in the used ring.
  @inlinable
  var availableEventOffset: Int { 4 &+ 8 &* size }
}

/// What both ends of a queue have agreed on.
public struct QueueConfiguration: Sendable, Equatable {
  /// Descriptors in the ring: a power of two to 32,768 for a split ring, any number to 32,768 for a packed one.
  public var size: Int
  /// The negotiated features; those that do not concern a ring are ignored.
  public var features: VirtioFeatures
  /// Entries of each indirect table the driver keeps; a chain with more segments goes into the ring itself.
  ///
  /// Used only with INDIRECT_DESC.
  public var indirectCapacity: Int

  /// A queue of `size` descriptors, with indirect tables of 16 entries, or of `size` where that is less, unless told
  /// otherwise.
  public init(size: Int, features: VirtioFeatures = [.version1], indirectCapacity: Int? = nil) {
    self.size = size
    self.features = features
    self.indirectCapacity = indirectCapacity ?? min(16, max(size, 0))
  }

  /// Bytes of driver memory that the indirect tables take: one per descriptor of the ring, or none.
  public var indirectByteCount: Int {
    features.contains(.indirectDescriptors) ? size * indirectCapacity * 16 : 0
  }

  package func validate(packed: Bool) throws(QueueConfigurationError) {
    guard (1...32_768).contains(size), packed || size & (size - 1) == 0 else { throw .invalidSize(size) }
    guard features.contains(.packedRing) == packed else {
      throw .features(features, reason: packed ? "a packed ring needs RING_PACKED" : "RING_PACKED is not a split ring")
    }
    // virtio 1.2, 6.1: a driver must accept VERSION_1, and the bits above 32 exist only with it.
    guard features.contains(.version1) else { throw .features(features, reason: "VERSION_1 is missing") }
    guard (0...size).contains(indirectCapacity) || !features.contains(.indirectDescriptors) else {
      throw .features(
        features, reason: "indirect tables of \(indirectCapacity) entries in a queue of \(size) (S8, P13)")
    }
  }
}

extension QueueConfiguration {
  /// Entries per indirect table that the given memory allows: the configured number, or 0 without INDIRECT_DESC.
  func indirectCapacity(in tables: GuestBuffer?) throws(QueueConfigurationError) -> Int {
    guard features.contains(.indirectDescriptors), indirectCapacity > 0, let tables else { return 0 }
    guard tables.byteCount >= indirectByteCount else {
      throw .memoryTooSmall(available: tables.byteCount, needed: indirectByteCount)
    }
    guard tables.address.rawValue % 16 == 0, tables.host.rawValue % 16 == 0 else {
      throw .misaligned(tables.address, alignment: 16)
    }
    return indirectCapacity
  }
}

public import RingKit

/// What one leaf of a device's page table says, or as much of it as lies in one region of memory.
public struct IOMMUTranslation: Hashable, Sendable {
  /// What it is about.
  public let range: IOMMURange
  /// Where the first byte lies for the guest.
  public let target: GuestPhysicalAddress
  /// Where it is mapped in this process.
  public let host: HostAddress
  /// Whether the device may read there.
  public let isReadable: Bool
  /// Whether the device may write there.
  public let isWritable: Bool
}

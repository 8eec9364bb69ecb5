public import RingKit

/// A mapping that stays as it is: where a stretch of a device's address space leads.
public struct DMAWindow: Equatable, Sendable {
  /// Its first address for the device.
  public let address: IOVA
  /// The guest-physical address that leads to.
  public let target: GuestPhysicalAddress
  /// Its size in bytes.
  public let byteCount: UInt64

  init(_ premapped: PremappedWindow) {
    address = IOVA(premapped.iovaBase)
    target = GuestPhysicalAddress(premapped.guestBase)
    byteCount = premapped.byteCount
  }

  /// A window as another process described it; `nil` when no page table can hold it.
  package init?(_ address: IOVA, to target: GuestPhysicalAddress, byteCount: UInt64) {
    let limit = PageTable.pageLimit << IOMMUPage.shift
    guard address.rawValue < limit, byteCount > 0, byteCount <= limit - address.rawValue,
      target.rawValue <= PageTableEntry.addressMask, byteCount <= PageTableEntry.addressMask - target.rawValue,
      // Both equally far into their pages, or pages could not lead from one to the other.
      (target.rawValue ^ address.rawValue) & IOMMUPage.offsetMask == 0
    else { return nil }
    self.address = address
    self.target = target
    self.byteCount = byteCount
  }
}

extension PremappedMapper {
  /// What was mapped, for a device in another process to hold a copy of.
  public var deviceWindows: [DMAWindow] { (0..<windowCount).map { DMAWindow(windows[$0]) } }
}

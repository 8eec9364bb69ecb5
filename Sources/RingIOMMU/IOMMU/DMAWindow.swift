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

extension IOMMUDomain {
  /// A device's own copy of mappings that stay as they are.
  ///
  /// For a device in another process, whose driver maps once and never unmaps: there is nothing to invalidate, so a
  /// copy is as good as the driver's table, and a translator walks it in the same way. Where windows lead is not
  /// believed: a translator faults where that is not memory the device can see.
  ///
  /// - Parameters:
  ///   - memory: what was passed to the device.
  ///   - windows: the driver's mappings, ``PremappedMapper/deviceWindows``.
  ///   - usesLargePages: whether they are held in leaves of 2 MiB and 1 GiB where they allow it.
  ///   - maximumTablePages: pages of 4 KiB that the copy may take; as many as windows over all of the memory need
  ///     unless told otherwise, so that a driver cannot have a device fill its memory with tables.
  /// - Throws: ``DMAError/alreadyMapped(_:)`` when windows overlap, or ``DMAError/pageTableExhausted``.
  public convenience init(
    memory: GuestMemory, windows: [DMAWindow], usesLargePages: Bool = false, maximumTablePages: Int? = nil
  ) throws(DMAError) {
    var configuration = IOMMUConfiguration()
    // A table for each 2 MiB; of each window one more that it begins in, and three levels above.
    let needed = memory.regions.reduce(0) { $0 + $1.byteCount } >> 21 + 8 * windows.count + 8
    configuration.maximumTablePages = maximumTablePages ?? needed
    configuration.usesLargePages = usesLargePages
    configuration.servedBy = .waiter
    self.init(memory: memory, configuration: configuration)
    var unseen = CountedWork()
    for window in windows {
      try core.pageTable.map(
        window.address.rawValue >> IOMMUPage.shift, to: window.target.rawValue >> IOMMUPage.shift,
        pages: IOMMUPage.count(of: window.byteCount, at: window.address.rawValue),
        permissions: PageTableEntry.permissionMask, largestLeaf: core.largestLeaf, counter: &unseen)
    }
  }
}

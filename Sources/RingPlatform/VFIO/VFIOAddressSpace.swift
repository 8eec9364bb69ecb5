internal import RingIOMMU
public import RingKit

/// The addresses that a device behind a real IOMMU sees, and what of a guest's memory is shown there.
///
/// Two ranges that never meet: what is shown for good lies at its guest-physical address, from ``permanentBase`` on; below
/// it addresses are handed out and taken back, one mapping at a time. Shared by the mappers of a device's queues.
public final class VFIOAddressSpace: @unchecked Sendable {
  /// The device.
  public let device: VFIODevice
  /// What can be shown to it.
  public let memory: GuestMemory

  /// From here on a region that is shown for good lies at its own guest-physical address.
  public static let permanentBase = GuestPhysicalAddress(1 << 32)
  // Below x86's window for interrupt messages, which no IOMMU translates.
  private static let firstReserved: UInt64 = 0xfee0_0000

  let allocator: IOVAAllocator
  private var permanent: [MemoryRegion] = []

  /// An address space in which nothing is shown.
  public init(device: VFIODevice, memory: GuestMemory) {
    self.device = device
    self.memory = memory
    allocator = IOVAAllocator(cpuCount: 1, limit: Self.firstReserved >> IOMMUPage.shift)
  }

  deinit {
    for region in permanent {
      // Nobody is left to be told; what cannot be taken away goes with the device's file.
      try? device.hide(IOVA(region.guestBase.rawValue), byteCount: region.byteCount)
    }
    allocator.deallocate()
  }

  /// Shows a region for good, at its guest-physical address.
  ///
  /// - Parameter region: lies at ``permanentBase`` or above.
  /// - Throws: ``DMAError`` as ``VFIODevice/show(_:at:byteCount:readable:writable:)`` does.
  public func showForGood(_ region: MemoryRegion) throws(DMAError) {
    precondition(region.guestBase >= Self.permanentBase, "a region that is shown for good lies above 4 GiB")
    try device.show(region.hostBase, at: IOVA(region.guestBase.rawValue), byteCount: region.byteCount)
    permanent.append(region)
  }
}

internal import CRing
internal import Glibc
public import RingIOMMU
public import RingKit

/// DMA path `iommu-real`: each segment is shown to a device by the machine's own IOMMU, and taken away again.
///
/// Map: take addresses and have the kernel enter the segment's pages there, for what the device may do
/// (VFIO_IOMMU_MAP_DMA, one system call, which pins them). Unmap: have them taken out and the IOTLB invalidated
/// (VFIO_IOMMU_UNMAP_DMA, another). What the device reaches for afterwards, the hardware refuses. The rest of a
/// segment's pages is reached too.
///
/// Not for a device in this process: nothing here translates for one. A value owned by the driver's thread.
@frozen
public struct VFIOMapper<Counter: WorkCounter>: DrainedMapper, ~Copyable {
  /// What this mapper and the queue around it did.
  public var work: Counter

  private let space: VFIOAddressSpace

  /// A mapper of a device's addresses.
  public init(space: VFIOAddressSpace, counter: Counter) {
    self.space = space
    work = counter
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes.
  @inlinable
  public static var unmapped: IOMMUMapping { IOMMUMapping(address: IOVA(0), length: 0) }

  /// Shows the segment's pages to the device.
  ///
  /// - Throws: `DMAError.outOfBounds(_:)`, `DMAError.iovaExhausted(pages:)` or `DMAError.kernelRefused(errno:)`; with
  ///   EEXIST the addresses stay reserved, and the next ones may be free.
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: IOMMUMapping) {
    let length = UInt64(segment.length)
    guard length > 0, let host = space.memory.driverTable.translate(segment.address, length: length) else {
      throw .outOfBounds(segment)
    }
    let offset = UInt64(host.rawValue) & IOMMUPage.offsetMask
    let pages = IOMMUPage.count(of: length, at: offset)
    let page = try space.allocator.allocate(pages: pages, cpu: 0, counter: &work)
    do throws(DMAError) {
      // Regions are whole pages, so what surrounds the segment is the guest's too.
      unsafe try space.device.show(
        HostAddress(rawValue: host.rawValue &- UInt(offset)), at: IOVA(page << IOMMUPage.shift),
        byteCount: Int(pages << IOMMUPage.shift), readable: direction == .deviceReadable,
        writable: direction == .deviceWritable)
    } catch {
      // Where something is shown already, as by another address space of the device, nothing else can be: taken back,
      // the range would be the first to be handed out again.
      if error != .kernelRefused(errno: EEXIST) { space.allocator.free(page, pages: pages, cpu: 0) }
      throw error
    }
    work.add(.systemCalls, 1)
    work.add(.maps, 1)
    let iova = IOVA(page << IOMMUPage.shift | offset)
    return (iova, IOMMUMapping(address: iova, length: segment.length))
  }

  /// Takes the segment's pages away from the device.
  ///
  /// - Throws: `DMAError.notMapped(_:)`; `DMAError.kernelRefused(errno:)`, and then the addresses stay reserved,
  ///   for the device may still reach them.
  public mutating func unmap(
    _ mapping: IOMMUMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    guard mapping.length != 0 else { throw .notMapped(mapping.address) }
    let pages = mapping.pageCount
    try space.device.hide(IOVA(mapping.page << IOMMUPage.shift), byteCount: Int(pages << IOMMUPage.shift))
    work.add(.systemCalls, 1)
    work.add(.unmaps, 1)
    space.allocator.free(mapping.page, pages: pages, cpu: 0)
    return 0
  }

  /// Nothing is deferred.
  public mutating func flush() throws(DMAError) {}

  /// Trims the caches of free addresses.
  public mutating func poll() throws(DMAError) {
    if space.allocator.mayTrim { space.allocator.trim(now: cring_nanoseconds()) }
  }
}

/// The addresses that a device behind a real IOMMU sees, and what of a guest's memory is shown there.
///
/// Two ranges that never meet: what is shown for good lies at its guest-physical address, from ``permanentBase`` on;
/// below it addresses are handed out and taken back, one mapping at a time. Shared by the mappers of a device's queues.
/// All that is shown is taken away when it goes, with the last of them: also what was in flight in a queue. A device
/// has one at a time.
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
    // The errors cannot be reported: what cannot be taken away goes with the device's file.
    try? device.hideAll(IOVA(0), byteCount: Int(Self.firstReserved))
    for region in permanent {
      try? device.hide(IOVA(region.guestBase.rawValue), byteCount: region.byteCount)
    }
    allocator.deallocate()
  }

  /// Shows a region for good, at its guest-physical address.
  ///
  /// - Parameter region: lies at ``permanentBase`` or above.
  /// - Throws: `DMAError` as ``VFIODevice/show(_:at:byteCount:readable:writable:)`` does.
  public func showForGood(_ region: MemoryRegion) throws(DMAError) {
    precondition(region.guestBase >= Self.permanentBase, "a region that is shown for good lies above 4 GiB")
    try device.show(region.hostBase, at: IOVA(region.guestBase.rawValue), byteCount: region.byteCount)
    permanent.append(region)
  }
}

internal import CRing
internal import Glibc
public import RingKit

/// A PCI device that this process drives itself, through VFIO: its registers, and the IOMMU in front of it.
///
/// The device reaches nothing until ``show(_:at:byteCount:readable:writable:)`` says so. Closing it, with the last
/// reference, resets it and takes everything away. Owned by one thread, except that mapping is safe from any.
public final class VFIODevice: @unchecked Sendable {
  /// Its PCI address, `0000:00:03.0`.
  public let address: String
  /// The number of its IOMMU group.
  public let group: Int

  private var files: cring_vfio

  /// Takes a device that was given to vfio-pci.
  ///
  /// - Parameter address: domain, bus, device and function in hexadecimal, lower case: `0000:00:03.0`.
  /// - Throws: ``VFIOError``.
  public init(address: String) throws(VFIOError) {
    var files = cring_vfio()
    var stage = CRING_VFIO_NO_DEVICE
    let error = unsafe cring_vfio_open(address, &files, &stage)
    let group = Int(files.group_number)
    guard error == 0 else {
      switch stage {
      case CRING_VFIO_NO_DEVICE: throw .noSuchDevice(address)
      case CRING_VFIO_NO_IOMMU: throw .noIOMMU(address)
      case CRING_VFIO_CONTAINER: throw .unavailable(errno: error)
      case CRING_VFIO_NO_TYPE1: throw .noSuitableIOMMU
      case CRING_VFIO_GROUP: throw .groupUnavailable(group: group, errno: error)
      case CRING_VFIO_NOT_VIABLE: throw .groupNotViable(group: group)
      default: throw .refused(group: group, errno: error)
      }
    }
    self.address = address
    self.group = group
    self.files = files
  }

  deinit { unsafe cring_vfio_close(&files) }

  /// Lets the device reach memory: VFIO_IOMMU_MAP_DMA, which pins the pages.
  ///
  /// - Parameters:
  ///   - host: the first byte, on a page.
  ///   - iova: where the device sees it, on a page.
  ///   - byteCount: whole pages.
  ///   - readable: whether the device may read.
  ///   - writable: whether it may write.
  /// - Throws: `DMAError.kernelRefused(errno:)`: EEXIST where something is already, EINVAL where the IOMMU has no
  ///   such address, ENOMEM beyond RLIMIT_MEMLOCK, ENOSPC beyond the kernel's number of mappings.
  public func show(
    _ host: HostAddress, at iova: IOVA, byteCount: Int, readable: Bool = true, writable: Bool = true
  ) throws(DMAError) {
    // SAFETY: the kernel checks that the range is mapped here; what the device then does with it, the caller has
    // decided.
    let error = unsafe cring_vfio_map(
      files.container, host.pointer, byteCount, iova.rawValue, readable ? 1 : 0, writable ? 1 : 0)
    guard error == 0 else { throw .kernelRefused(errno: error) }
  }

  /// Takes memory away again: VFIO_IOMMU_UNMAP_DMA, which returns when the IOMMU lets nothing through.
  ///
  /// - Throws: `DMAError.notMapped(_:)` when not exactly that was shown there; `DMAError.kernelRefused(errno:)`.
  public func hide(_ iova: IOVA, byteCount: Int) throws(DMAError) {
    let error = cring_vfio_unmap(files.container, iova.rawValue, byteCount)
    if error == CRING_VFIO_NOT_THERE { throw .notMapped(iova) }
    guard error == 0 else { throw .kernelRefused(errno: error) }
  }

  /// Takes away whatever is shown in a range, however much that is.
  ///
  /// - Throws: `DMAError.kernelRefused(errno:)`.
  func hideAll(_ iova: IOVA, byteCount: Int) throws(DMAError) {
    let error = cring_vfio_unmap_all(files.container, iova.rawValue, byteCount)
    guard error == 0 else { throw .kernelRefused(errno: error) }
  }

  /// Where a region's registers lie in the device's file, and whether they can be mapped.
  ///
  /// - Parameter index: 0 to 5 for a BAR, 7 for the configuration space.
  /// - Returns: an offset for ``read(_:byteCount:)`` and its like, the region's size, and whether mapping is allowed.
  /// - Throws: ``VFIOError/registers(errno:)``, with EINVAL where there is no such region.
  public func region(_ index: Int) throws(VFIOError) -> (offset: UInt64, byteCount: UInt64, canBeMapped: Bool) {
    var offset: UInt64 = 0
    var byteCount: UInt64 = 0
    var canBeMapped: Int32 = 0
    let number = try Self.number(index)
    let error = unsafe cring_vfio_region(files.device, number, &offset, &byteCount, &canBeMapped)
    guard error == 0 else { throw .registers(errno: error) }
    return (offset, byteCount, canBeMapped != 0)
  }

  /// What the kernel takes as a number; EINVAL, as it says of one that it does not know, for what is none.
  static func number(_ value: Int) throws(VFIOError) -> UInt32 {
    guard let number = UInt32(exactly: value) else { throw .registers(errno: EINVAL) }
    return number
  }

  /// Reads a register of 1, 2 or 4 bytes, in one access: a system call.
  ///
  /// - Throws: ``VFIOError/registers(errno:)``, with EINVAL for another number of bytes.
  public func read(_ offset: UInt64, byteCount: Int) throws(VFIOError) -> UInt32 {
    var value: UInt32 = 0
    let error = unsafe cring_vfio_read(files.device, offset, try Self.number(byteCount), &value)
    guard error == 0 else { throw .registers(errno: error) }
    return value
  }

  /// Writes a register of 1, 2 or 4 bytes, in one access: a system call.
  ///
  /// - Throws: ``VFIOError/registers(errno:)``, with EINVAL for another number of bytes.
  public func write(_ value: UInt32, _ offset: UInt64, byteCount: Int) throws(VFIOError) {
    let error = cring_vfio_write(files.device, offset, try Self.number(byteCount), value)
    guard error == 0 else { throw .registers(errno: error) }
  }

  /// Maps a register of 2 bytes, to be written without a system call.
  ///
  /// - Throws: ``VFIOError/registers(errno:)``.
  public func doorbell(at offset: UInt64) throws(VFIOError) -> VFIODoorbell {
    var base: UnsafeMutableRawPointer?
    var (mapped, lead) = (0, 0)
    let error = unsafe cring_vfio_map_registers(files.device, offset, 2, &base, &mapped, &lead)
    guard error == 0, let base = unsafe base else { throw .registers(errno: error) }
    return unsafe VFIODoorbell(base: base, mapped: mapped, lead: lead)
  }

  /// How many MSI-X vectors the device has; 0 where none can ring a doorbell.
  ///
  /// - Throws: ``VFIOError/registers(errno:)``.
  public func interruptCount() throws(VFIOError) -> Int {
    var count: UInt32 = 0
    let error = unsafe cring_vfio_interrupts(files.device, &count)
    guard error == 0 else { throw .registers(errno: error) }
    return Int(count)
  }

  /// Has the device's MSI-X vectors ring doorbells: vector 0 the first, and so on.
  ///
  /// What was connected before is not any more: MSI-X is switched off first, so an interrupt that comes meanwhile is
  /// lost. An empty list leaves it so.
  ///
  /// - Parameter doorbells: 128 at most; the kernel keeps their eventfds until they are replaced or the device closed.
  /// - Throws: ``VFIOError/interrupts(errno:)``: EINVAL for more doorbells than the device has vectors.
  public func connectInterrupts(_ doorbells: [EventDoorbell]) throws(VFIOError) {
    let eventfds = doorbells.map(\.fileDescriptor)
    let error = unsafe cring_vfio_connect_interrupts(files.device, eventfds, UInt32(clamping: eventfds.count))
    guard error == 0 else { throw .interrupts(errno: error) }
  }

  /// Resets the device's function, where it has such a reset.
  public func reset() { _ = cring_vfio_reset(files.device) }
}

/// A device's register of 16 bits, mapped into this process: a store is a notification.
@safe
public struct VFIODoorbell: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let mapped: Int
  private let lead: Int

  init(base: UnsafeMutableRawPointer, mapped: Int, lead: Int) {
    unsafe self.base = unsafe base
    self.mapped = mapped
    self.lead = lead
  }

  deinit { unsafe cring_vfio_unmap_registers(base, mapped) }

  /// Stores it, behind everything that was stored before.
  public func ring(_ value: UInt16) {
    // SAFETY: the mapping holds two bytes from `lead` on, and lives as long as self.
    unsafe cring_vfio_kick16(base + lead, value)
  }
}

/// Why a PCI device cannot be driven from this process.
public enum VFIOError: Error, Equatable, Sendable {
  /// There is no PCI device with this address.
  case noSuchDevice(String)
  /// The device is in no IOMMU group: nothing would keep it to what it is shown.
  case noIOMMU(String)
  /// This machine or this kernel has no VFIO, or this process may not use it.
  case unavailable(errno: Int32)
  /// VFIO is there without an IOMMU of type 1.
  case noSuitableIOMMU
  /// The device's group cannot be opened: as a rule because the device has not been given to vfio-pci.
  case groupUnavailable(group: Int, errno: Int32)
  /// Another device of the group still has a driver of the host.
  case groupNotViable(group: Int)
  /// The kernel refused the last steps: an IOMMU without interrupt remapping among the reasons (EPERM).
  case refused(group: Int, errno: Int32)
  /// An access to the device's registers failed.
  case registers(errno: Int32)
  /// The device's interrupts cannot ring doorbells.
  case interrupts(errno: Int32)
}

extension VFIOError: CustomStringConvertible {
  /// One sentence that says what would help.
  public var description: String {
    switch self {
    case .noSuchDevice(let address): "there is no PCI device \(address); addresses look like 0000:00:03.0 (lspci -D)"
    case .noIOMMU(let address):
      "\(address) is in no IOMMU group; switch the IOMMU on (firmware, and intel_iommu=on or amd_iommu=on)"
    case .unavailable(let errno):
      "/dev/vfio/vfio cannot be opened (\(SystemError.text(errno))); modprobe vfio-pci, and be root"
    case .noSuitableIOMMU: "VFIO has no type 1 IOMMU here; modprobe vfio_iommu_type1"
    case .groupUnavailable(let group, let errno):
      "/dev/vfio/\(group) cannot be opened (\(SystemError.text(errno))); give the device to vfio-pci "
        + "(driver_override), and be root"
    case .groupNotViable(let group): "another device of IOMMU group \(group) has a driver; give it to vfio-pci too"
    case .refused(let group, let errno):
      "the kernel does not hand out IOMMU group \(group) (\(SystemError.text(errno))); its log says why "
        + "(interrupt remapping?)"
    case .registers(let errno): "the device's registers cannot be reached (\(SystemError.text(errno)))"
    case .interrupts(let errno):
      "the device's interrupts cannot be had (\(SystemError.text(errno))); a device without MSI-X, or with fewer "
        + "vectors, is polled"
    }
  }
}

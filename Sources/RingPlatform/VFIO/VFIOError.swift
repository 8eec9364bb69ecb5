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
}

extension VFIOError: CustomStringConvertible {
  /// One sentence that says what would help.
  public var description: String {
    switch self {
    case .noSuchDevice(let address): "there is no PCI device \(address); addresses look like 0000:00:03.0 (lspci -D)"
    case .noIOMMU(let address):
      "\(address) is in no IOMMU group; switch the IOMMU on (firmware, and intel_iommu=on or amd_iommu=on)"
    case .unavailable(let errno): "/dev/vfio/vfio cannot be opened (errno \(errno)); modprobe vfio-pci, and be root"
    case .noSuitableIOMMU: "VFIO has no type 1 IOMMU here; modprobe vfio_iommu_type1"
    case .groupUnavailable(let group, let errno):
      "/dev/vfio/\(group) cannot be opened (errno \(errno)); give the device to vfio-pci (driver_override), and be root"
    case .groupNotViable(let group): "another device of IOMMU group \(group) has a driver; give it to vfio-pci too"
    case .refused(let group, let errno):
      "the kernel does not hand out IOMMU group \(group) (errno \(errno)); its log says why (interrupt remapping?)"
    case .registers(let errno): "the device's registers cannot be reached (errno \(errno))"
    }
  }
}

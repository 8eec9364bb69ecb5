internal import CRing

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

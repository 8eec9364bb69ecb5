internal import CRing

extension MemoryRegion {
  /// Maps a part of a file that another process chose and passed over, wherever in the file it begins.
  ///
  /// - Parameters:
  ///   - fileDescriptor: taken over: closed with the region, or by the caller when this throws.
  ///   - fileOffset: where in the file the region begins.
  ///   - byteCount: bytes to map; the file must be at least that long from there on.
  ///   - guestBase: the guest-physical address of its first byte.
  ///   - mustBeSealed: whether the file must be sealed against shrinking. Of one that is not, its owner can take pages
  ///     away at any time, and the next access ends this process with SIGBUS.
  /// - Throws: ``MemoryError/system(operation:errno:)`` with EINVAL (too short) or EPERM (not sealed).
  public convenience init(
    mapping fileDescriptor: Int32, fileOffset: UInt64, byteCount: Int, at guestBase: GuestPhysicalAddress,
    mustBeSealed: Bool = false
  ) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    guard guestBase.advanced(by: UInt64(byteCount) - 1) != nil else {
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    var region = unsafe cring_region()
    let error = unsafe cring_region_map_file(fileDescriptor, fileOffset, byteCount, mustBeSealed ? 1 : 0, &region)
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) bytes of a file", errno: error) }
    unsafe self.init(mapped: region, at: guestBase)
  }
}

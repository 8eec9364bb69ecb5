internal import CRing

extension MemoryRegion {
  /// Maps zeroed memory that this process writes and every other one can only read, whatever it does with the descriptor.
  ///
  /// Not memory of a guest: it has no guest-physical address that means anything.
  ///
  /// - Parameter byteCount: bytes wanted; rounded up to whole pages.
  /// - Throws: ``MemoryError``; with EINVAL before Linux 5.1, which cannot seal a file against writers to come.
  package convenience init(publishing byteCount: Int) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    var region = unsafe cring_region()
    let error = unsafe cring_region_map_published(byteCount, "ringkit-published", &region)
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) bytes for others to read", errno: error) }
    unsafe self.init(mapped: region, at: GuestPhysicalAddress(0))
  }

  /// Maps memory of another process to read it; a write ends this process with SIGSEGV.
  ///
  /// - Parameters:
  ///   - fileDescriptor: taken over: closed with the region, or by the caller when this throws.
  ///   - byteCount: bytes to map; the file must be at least that long and sealed against shrinking.
  /// - Throws: ``MemoryError/system(operation:errno:)`` with EINVAL (too short) or EPERM (not sealed).
  package convenience init(reading fileDescriptor: Int32, byteCount: Int) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    var region = unsafe cring_region()
    let error = unsafe cring_region_attach(fileDescriptor, byteCount, 0, &region)
    guard error == 0 else { throw .system(operation: "reading \(byteCount) bytes of shared memory", errno: error) }
    unsafe self.init(mapped: region, at: GuestPhysicalAddress(0))
  }
}

extension GuestMemory {
  /// A stretch of memory that a device may see, by its guest-physical address; `nil` when it is not inside one shared
  /// region.
  public func sharedBuffer(at address: GuestPhysicalAddress, byteCount: Int) -> GuestBuffer? {
    for region in regions where region.visibility == .shared {
      let offset = address.rawValue &- region.guestBase.rawValue
      guard offset < UInt64(region.byteCount), byteCount >= 0, byteCount <= region.byteCount - Int(offset) else {
        continue
      }
      return GuestBuffer(region: region, offset: Int(offset), byteCount: byteCount)
    }
    return nil
  }
}

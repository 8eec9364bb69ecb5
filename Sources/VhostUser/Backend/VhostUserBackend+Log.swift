internal import RingKit

extension VhostUserBackend {
  /// The front-end passes the memory to log to, for the first time or a larger one.
  ///
  /// What is in flight is logged there: rings go on with it. The one before is unmapped behind that; the front-end
  /// looks at both.
  func setLog(_ byteCount: UInt64, _ fileOffset: UInt64, _ file: PassedDescriptor) throws(VhostUserError) {
    let new = try DirtyLog(
      byteCount: byteCount, fileOffset: fileOffset, file: file, mustBeSealed: options.mustBeSealed)
    let needed = DirtyLog.byteCount(through: memory?.lastGuestAddress)
    guard new.byteCount >= needed else { throw .log(byteCount: new.byteCount, needed: needed) }
    log = new
    if isLogging { try restart() }
  }

  /// Logs from now on, or no more.
  ///
  /// What is in flight is fetched again, so that what a device wrote of it is logged with the rest.
  func setLogging(_ isLogging: Bool) throws(VhostUserError) {
    if isLogging == self.isLogging { return }
    self.isLogging = isLogging
    if !isLogging { log = nil }
    try restart()
  }

  private func restart() throws(VhostUserError) {
    for vring in vrings {
      suspend(vring)
      try start(vring)
    }
  }

  /// Whether there is a log, and every page of the guest's has a bit in it.
  func hasLog(of memory: VhostMemory) -> Bool {
    log.map { $0.byteCount >= DirtyLog.byteCount(through: memory.lastGuestAddress) } ?? false
  }

  /// What a ring is to log its writes with, if it is.
  ///
  /// - Throws: ``VhostUserError/log(byteCount:needed:)`` when the used ring's address is not in the log.
  func writeLog(
    _ vring: Vring, _ buffers: [GuestBuffer], _ memory: VhostMemory
  ) throws(VhostUserError) -> WriteLog? {
    guard isLogging, let log, let address = vring.address else { return nil }
    var used: UInt64?
    if address.flags & VringAddress.logFlag != 0 {
      // Behind an IOMMU front-ends give the driver's own address here too; the log has guest addresses.
      used = isTranslating ? memory.guestAddress(of: buffers[2].host)?.address : address.log
    }
    if let used {
      let (last, overflow) = used.addingReportingOverflow(UInt64(buffers[2].byteCount - 1))
      let needed = DirtyLog.byteCount(through: overflow ? .max : last)
      guard needed <= log.byteCount else { throw .log(byteCount: log.byteCount, needed: needed) }
    }
    let descriptors = features.contains(.packedRing) ? buffers[0].host : nil
    return WriteLog(pages: log, memory: memory, used: used, descriptors: descriptors)
  }
}

extension VringAddress {
  /// VHOST_VRING_F_LOG.
  static let logFlag: UInt32 = 1
}

extension VirtioFeatures {
  /// VHOST_F_LOG_ALL, the front-end's: what the device writes is logged.
  static let logAll = VirtioFeatures(rawValue: 1 << 26)
}

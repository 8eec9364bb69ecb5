extension PackedDriverQueue where Mapper: ~Copyable {
  /// Whether the device wants to be told of what was published since the last call (P16).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let count = UInt16(truncatingIfNeeded: min(unannounced, UInt64(ringSize)))
    unannounced = 0
    // B13: pairs with B14 in PackedDeviceQueue+Notification.swift.
    ordering.fence()
    let wish = EventSuppression(rawValue: ring.deviceEvent.load32(0))
    let isDue = wish.isDue(position: published, count: count, size: ringSize, hasEventIndex: hasEventIndex)
    mapper.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Queue index, and offset and wrap counter of the next descriptor not yet available (P4).
  public func notificationData(queue: UInt16) -> NotificationData {
    NotificationData(queue: queue, position: published.word)
  }

  /// Asks to be notified of the next used buffer.
  ///
  /// - Returns: true when one was used meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    announce(hasEventIndex ? .descriptor(used) : .enable)
    // B16: pairs with B15 in PackedDeviceQueue+Notification.swift.
    ordering.fence()
    if batchRemaining != 0 { return true }
    if ledger.published == ledger.returned { return false }
    let word = ring.descriptors.load64(Int(used.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    return flags & (DescriptorFlags.available | DescriptorFlags.used) == used.usedFlags
  }

  /// Advises the device that the driver polls.
  @inlinable
  public mutating func disableNotifications() { announce(.disable) }

  @inlinable
  mutating func announce(_ wish: EventSuppression) {
    if wish.rawValue == event.rawValue { return }
    event = wish
    ring.driverEvent.store32(wish.rawValue, 0)
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Whether the driver wants to be told of what was published since the last call.
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let count = UInt16(truncatingIfNeeded: min(unannounced, UInt64(ringSize)))
    unannounced = 0
    // B15: pairs with B16 in PackedDriverQueue+Notification.swift.
    ordering.fence()
    let wish = EventSuppression(rawValue: ring.driverEvent.load32(0))
    let isDue = wish.isDue(position: published, count: count, size: ringSize, hasEventIndex: hasEventIndex)
    translator.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Asks to be notified of the next available buffer.
  ///
  /// - Returns: true when one was made available meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    announce(hasEventIndex ? .descriptor(available) : .enable)
    // B14: pairs with B13 in PackedDriverQueue+Notification.swift.
    ordering.fence()
    let word = ring.descriptors.load64(Int(available.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    return flags & (DescriptorFlags.available | DescriptorFlags.used) == available.availableFlags
  }

  /// Advises the driver that the device polls.
  @inlinable
  public mutating func disableNotifications() { announce(.disable) }

  @inlinable
  mutating func announce(_ wish: EventSuppression) {
    if wish.rawValue == event.rawValue { return }
    event = wish
    ring.deviceEvent.store32(wish.rawValue, 0)
  }
}

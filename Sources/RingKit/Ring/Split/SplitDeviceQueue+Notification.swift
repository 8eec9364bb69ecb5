extension SplitDeviceQueue where Translator: ~Copyable {
  /// Whether the driver wants to be told of what was published since the last call (S26).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let new = published
    // Indices tell 65,535 entries apart; an event that was asked for lies among the last ones, never a whole lap back.
    let old = RingIndex(new.rawValue &- UInt16(clamping: unannounced))
    unannounced = 0
    // B7: pairs with B8 in SplitDriverQueue+Notification.swift.
    ordering.fence()
    let isDue =
      if hasEventIndex {
        RingIndex.crossed(RingIndex(ring.available.load16(ring.usedEventOffset)), from: old, to: new)
      } else {
        ring.available.load16(0) & 1 == 0
      }
    translator.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Asks to be notified of the next available buffer (S29).
  ///
  /// - Returns: true when one was made available meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    if hasEventIndex {
      ring.used.store16(fetched.rawValue, ring.availableEventOffset)
    } else if flags != 0 {
      flags = 0
      ring.used.store16(0, 0)
    }
    // B6: pairs with B5 in SplitDriverQueue+Notification.swift.
    ordering.fence()
    return ring.available.load16(SplitRing.indexOffset) != fetched.rawValue
  }

  /// Advises the driver that the device polls; with EVENT_IDX the event index just stays behind.
  @inlinable
  public mutating func disableNotifications() {
    if hasEventIndex || flags == 1 { return }
    flags = 1
    ring.used.store16(1, 0)
  }
}

extension SplitDriverQueue where Mapper: ~Copyable {
  /// Whether the device wants to be told of what was published since the last call (S17, S18, S20).
  @inlinable
  public mutating func isNotificationDue() -> Bool {
    if unannounced == 0 { return false }
    let new = ledger.published
    // Indices tell 65,535 entries apart; an event that was asked for lies among the last ones, never a whole lap back.
    let old = RingIndex(new.rawValue &- UInt16(clamping: unannounced))
    unannounced = 0
    // B5: pairs with B6 in SplitDeviceQueue+Notification.swift.
    ordering.fence()
    let isDue =
      if hasEventIndex {
        RingIndex.crossed(RingIndex(ring.used.load16(ring.availableEventOffset)), from: old, to: new)
      } else {
        ring.used.load16(0) & 1 == 0
      }
    mapper.work.add(isDue ? .notifications : .notificationsSuppressed, 1)
    return isDue
  }

  /// Queue index and available index in one word.
  public func notificationData(queue: UInt16) -> NotificationData {
    NotificationData(queue: queue, position: ledger.published.rawValue)
  }

  /// Asks to be notified of the next used buffer (S12, S13).
  ///
  /// - Returns: true when one was used meanwhile: look again before sleeping.
  @inlinable
  public mutating func enableNotifications() -> Bool {
    if hasEventIndex {
      ring.available.store16(ledger.returned.rawValue, ring.usedEventOffset)
    } else if flags != 0 {
      flags = 0
      ring.available.store16(0, 0)
    }
    // B8: pairs with B7 in SplitDeviceQueue+Notification.swift.
    ordering.fence()
    return ring.used.load16(SplitRing.indexOffset) != ledger.returned.rawValue
  }

  /// Advises the device that the driver polls.
  ///
  /// With EVENT_IDX there is nothing to write: the event index stays behind (S13), and the odd notification when it
  /// comes round is tolerated (S14).
  @inlinable
  public mutating func disableNotifications() {
    if hasEventIndex || flags == 1 { return }
    flags = 1
    ring.available.store16(1, 0)
  }
}

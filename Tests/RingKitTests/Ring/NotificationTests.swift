import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("Notification suppression")
struct NotificationTests {
  @Test(
    "split: a notification is due exactly when an entry with the event's index was written", arguments: [0, 65_400])
  func splitModel(start: Int) throws {
    let size = 8
    let rig = try Rig(.split, size: size, features: .eventIndex)
    let ring = try rig.split
    let exchange = Exchange(rig)
    try exchange.run(start)
    _ = rig.driver.isNotificationDue()
    _ = rig.device.isNotificationDue()
    for count in 1...size {
      for distance in [-40_000, -9, -1, 0, 1, count - 1, count, count + 1, 32_767] {
        let old = ring.availableIndex
        let event = old &+ UInt16(truncatingIfNeeded: distance)
        ring.availableEvent = event
        ring.usedEvent = event
        let expected = NotificationModel.split(event: event, old: old, count: count)
        try exchange.offer(count)
        #expect(rig.driver.isNotificationDue() == expected, "from \(old), \(count) entries, event \(event)")
        try exchange.serve(count)
        #expect(rig.device.isNotificationDue() == expected, "from \(old), \(count) entries, event \(event)")
        #expect(!rig.driver.isNotificationDue() && !rig.device.isNotificationDue(), "the answer is given once")
        while try rig.driver.nextUsed() != nil {}
      }
    }
  }

  @Test("RingIndex.crossed is the header's vring_need_event, and the definition, for every event")
  func crossed() {
    for old in [UInt16(0), 65_530] {
      for count in [UInt16(0), 1, 255, 65_535] {
        let new = old &+ count
        for event in UInt16.min ... .max {
          let ours = RingIndex.crossed(RingIndex(event), from: RingIndex(old), to: RingIndex(new))
          if ours != (vring_need_event(event, new, old) != 0) || ours != (event &- old < count) {
            Issue.record("event \(event), from \(old), \(count) entries: \(ours)")
            return
          }
        }
      }
    }
  }

  @Test("split: what was not asked about for 65,536 buffers and more is still announced", arguments: [65_536, 65_540])
  func longSilence(count: Int) throws {
    let rig = try Rig(.split, size: 16, features: .eventIndex)
    let exchange = Exchange(rig)
    #expect(!rig.driver.isNotificationDue() && !rig.device.isNotificationDue())
    try exchange.run(count - 12)
    // Both go to sleep, and what wakes them is the beginning of the last batch.
    _ = rig.device.enableNotifications()
    _ = rig.driver.enableNotifications()
    try exchange.offer(12)
    #expect(rig.driver.isNotificationDue())
    try exchange.serve(12)
    #expect(rig.device.isNotificationDue())
  }

  @Test(
    "without EVENT_IDX flag 1 suppresses, 0 does not, and event indices are ignored", arguments: RingLayout.allCases)
  func flags(layout: RingLayout) throws {
    for isSuppressed in [false, true] {
      let rig = try Rig(layout, size: 4)
      if isSuppressed {
        rig.device.disableNotifications()
        rig.driver.disableNotifications()
      } else {
        #expect(!rig.device.enableNotifications())
        #expect(!rig.driver.enableNotifications())
      }
      try Exchange(rig).offer(2)
      #expect(rig.driver.isNotificationDue() == !isSuppressed)
      try Exchange(rig).serve(2)
      #expect(rig.device.isNotificationDue() == !isSuppressed)
      #expect(rig.driver.counts[.notifications] == (isSuppressed ? 0 : 1))
      #expect(rig.driver.counts[.notificationsSuppressed] == (isSuppressed ? 1 : 0))
    }
  }

  @Test(
    "packed: a notification is due exactly when the event's descriptor was written, for every event, size and batch",
    arguments: [1, 2, 3, 5, 8])
  func packedModel(size: Int) throws {
    // Every offset on both laps, and offsets that are not in the ring.
    for start in 0..<(2 * size) {
      for count in 1...size {
        for event in (0..<size + 2).flatMap({ [UInt16($0), UInt16($0) | 0x8000] }) {
          let rig = try Rig(.packed, size: size, features: .eventIndex, payloadByteCount: 4096)
          let view = try rig.packed
          let exchange = Exchange(rig)
          try exchange.run(start)
          _ = rig.driver.isNotificationDue()
          _ = rig.device.isNotificationDue()
          view.deviceEvent = vring_packed_desc_event(off_wrap: event, flags: 2)
          view.driverEvent = vring_packed_desc_event(off_wrap: event, flags: 2)
          let expected = NotificationModel.packed(
            event: event, offset: start % size, wrap: start / size % 2 == 0, count: count, size: size)
          try exchange.offer(count)
          let kick = rig.driver.isNotificationDue()
          try exchange.serve(count)
          let call = rig.device.isNotificationDue()
          // An event outside the ring may be answered either way.
          if event & 0x7fff >= size { continue }
          #expect(kick == expected, "driver: start \(start), count \(count), event \(event)")
          #expect(call == expected, "device: start \(start), count \(count), event \(event)")
          if kick != expected || call != expected { return }
        }
      }
    }
  }

  @Test("packed: reserved event flags, and DESC without EVENT_IDX, count as enabled", arguments: [0, 2, 3])
  func packedReserved(flags: Int) throws {
    let rig = try Rig(.packed, size: 4)
    let view = try rig.packed
    view.deviceEvent = vring_packed_desc_event(off_wrap: 3, flags: UInt16(flags))
    view.driverEvent = vring_packed_desc_event(off_wrap: 3, flags: UInt16(flags))
    try Exchange(rig).offer(1)
    #expect(rig.driver.isNotificationDue())
    try Exchange(rig).serve(1)
    #expect(rig.device.isNotificationDue())
  }

  @Test("what is published is announced although more was added or completed since", arguments: RingLayout.allCases)
  func pendingWork(layout: RingLayout) throws {
    for features in [[], [.eventIndex], [.inOrder], [.inOrder, .eventIndex]] as [VirtioFeatures] {
      let rig = try Rig(layout, size: 8, features: features)
      let exchange = Exchange(rig)
      try exchange.offer(1)
      #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 99) == .added)
      #expect(rig.driver.isNotificationDue(), "\(layout), \(features)")
      #expect(!rig.driver.isNotificationDue())
      rig.driver.publish()
      let chains = try rig.device.fetchAll()
      #expect(chains.count == 2)
      rig.device.complete(chains[0])
      rig.device.publish()
      rig.device.complete(chains[1])
      #expect(rig.device.isNotificationDue(), "\(layout), \(features)")
      #expect(!rig.device.isNotificationDue())
    }
  }

  @Test("waiting for a notification tells of what came before", arguments: RingLayout.allCases)
  func lookAgain(layout: RingLayout) throws {
    for features in [[], [.eventIndex], [.inOrder, .eventIndex]] as [VirtioFeatures] {
      let rig = try Rig(layout, size: 4, features: features)
      let exchange = Exchange(rig)
      for _ in 0..<9 {
        #expect(!rig.device.enableNotifications())
        try exchange.offer(2)
        #expect(rig.device.enableNotifications())
        #expect(!rig.driver.enableNotifications())
        try exchange.serve(2)
        #expect(rig.driver.enableNotifications())
        #expect(try rig.driver.nextUsed() != nil)
        #expect(rig.driver.enableNotifications())
        #expect(try rig.driver.nextUsed() != nil)
      }
    }
  }

  @Test("the notification's data names the next position not yet available (P4)", arguments: RingLayout.allCases)
  func data(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    let exchange = Exchange(rig)
    try exchange.run(6)
    let expected = UInt32(layout == .split ? 6 : 2)
    #expect(rig.driver.notificationData(queue: 5) == 5 | expected << 16)
    #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 1) == .added)
    #expect(rig.driver.notificationData(queue: 5) == 5 | expected << 16)
    rig.driver.publish()
    #expect(rig.driver.notificationData(queue: 5) == 5 | (expected + 1) << 16)
    #expect(rig.driver.notificationData(queue: 5) >> 16 & 0x7fff == expected + 1)
    #expect(rig.driver.notificationData(queue: 5) >> 31 == 0)
  }

  @Test("a reset forgets every wish and every announcement", arguments: RingLayout.allCases)
  func reset(layout: RingLayout) throws {
    for features in [[], [.eventIndex]] as [VirtioFeatures] {
      let rig = try Rig(layout, size: 4, features: features)
      for _ in 0..<3 {
        try Exchange(rig).offer(3)
        try Exchange(rig).serve(2)
        rig.driver.disableNotifications()
        rig.device.disableNotifications()
        // Published, and not asked for: none of it may be announced after the reset.
        _ = try rig.driver.reset()
        rig.device.reset()
        #expect(!rig.driver.isNotificationDue() && !rig.device.isNotificationDue())
        #expect(rig.driver.notificationData(queue: 0) == (layout == .split ? 0 : 0x8000_0000))
        // A ring that was cleared asks for notifications, and an end that does not remember it could not stop them.
        try Exchange(rig).offer(1)
        #expect(rig.driver.isNotificationDue())
        rig.device.disableNotifications()
        rig.driver.disableNotifications()
        if layout == .split {
          #expect(try rig.split.usedFlags == (features.isEmpty ? 1 : 0))
          #expect(try rig.split.availableFlags == (features.isEmpty ? 1 : 0))
        } else {
          #expect(try rig.packed.deviceEvent.flags == 1 && rig.packed.driverEvent.flags == 1)
        }
      }
    }
  }
}

/// Notification suppression by its definition, one written entry at a time.
enum NotificationModel {
  /// Split: whether one of the `count` indices behind `old` is `event` (virtio 1.2, 2.7.7 and 2.7.10).
  static func split(event: UInt16, old: UInt16, count: Int) -> Bool {
    var index = old
    for _ in 0..<count {
      if index == event { return true }
      index &+= 1
    }
    return false
  }

  /// Packed: whether one of the `count` descriptors from a position on is the one `event` names (virtio 1.2, 2.8.10).
  static func packed(event: UInt16, offset: Int, wrap: Bool, count: Int, size: Int) -> Bool {
    var (at, lap) = (offset, wrap)
    for _ in 0..<count {
      if Int(event & 0x7fff) == at && (event & 0x8000 != 0) == lap { return true }
      at += 1
      if at == size {
        at = 0
        lap.toggle()
      }
    }
    return false
  }
}

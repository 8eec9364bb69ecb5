internal import CRing
internal import RingKit

extension ConformanceCheck {
  /// When the device notifies the driver, and when the driver need not notify the device.
  static var notifications: [ConformanceCheck] {
    [
      ConformanceCheck("S26", "S26", "a notification where the driver wishes one") { bench in
        bench.isPacked ? try packedFlag(bench) : try splitFlag(bench)
      },
      ConformanceCheck("S26", nil, "event indices at their edges", with: [.eventIndex], needs: ["S11", "Q2"]) { bench in
        try splitEvents(bench)
      },
      ConformanceCheck(nil, "S26", "event offsets at their edges", with: [.eventIndex], needs: ["P20", "P18"]) {
        bench in
        try packedEvents(bench)
      },
      ConformanceCheck(
        "S29", "S29", "no notification where the device wishes none", with: [[], .eventIndex]
      ) { bench in try deviceWish(bench) },
      ConformanceCheck("S30", "P5", "notifications without cause", isForAny: true) { bench in
        let probe = try bench.start()
        for _ in 0..<3 {
          probe.kick()
          try probe.pause(probe.quiet)
        }
        let isUsed = probe.queue.ring.isPacked ? probe.queue.ring[0].flags != 0 : probe.queue.ring.usedIndex != 0
        guard !isUsed else { throw Finding(bench.rule, "a buffer is used of an empty ring") }
        guard bench.subject.hasRequests else { return nil }
        for _ in 0..<3 {
          probe.add(probe.next())
          probe.publish()
          for _ in 0..<3 { probe.kick() }
          try probe.finish(1)
        }
        try probe.pause(probe.quiet)
        guard try probe.queue.collect().isEmpty, probe.queue.trace() == nil else {
          throw Finding(bench.rule, "more buffers come back than were made available")
        }
        return nil
      },
    ]
  }

  /// Sends a request, polls until it is back, and looks whether a notification came.
  private static func isNotified(_ probe: Probe, _ bench: ConformanceBench, count: Int = 1) throws -> Bool {
    _ = probe.port.takeCall(bench.subject.queue)
    for _ in 0..<count { probe.add(probe.next()) }
    probe.publish()
    try probe.finish(count)
    return try probe.awaitCall()
  }

  /// What came although none was wished, which a device should avoid and may do.
  private static func unwished(_ probe: Probe, _ bench: ConformanceBench) throws -> String? {
    try probe.pause(probe.quiet)
    _ = probe.port.takeCall(bench.subject.queue)
    probe.add(probe.next())
    probe.publish()
    try probe.finish(1)
    try probe.pause(probe.quiet)
    return probe.port.takeCall(bench.subject.queue) ? "it also notifies where none is wished (SHOULD NOT)" : nil
  }

  private static func splitFlag(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start()
    let ring = probe.queue.ring
    // Without EVENT_IDX `used_event` means nothing.
    for event in [0, 9, 0xffff] as [UInt16] {
      ring.usedEvent = event
      guard try isNotified(probe, bench) else {
        throw Finding(bench.rule, "no notification with the available flags 0 and used_event \(event)")
      }
    }
    ring.availableFlags = 1
    let note = try unwished(probe, bench)
    ring.availableFlags = 0
    guard try isNotified(probe, bench) else {
      throw Finding(bench.rule, "no notification after the available flags went back to 0")
    }
    return note
  }

  private static func splitEvents(_ bench: ConformanceBench) throws -> String? {
    var note: String?
    for start in [0, 65_532] {
      let probe = try bench.start(64, position: start)
      let ring = probe.queue.ring
      // The flag means nothing with EVENT_IDX.
      ring.availableFlags = 1
      for step in 0..<6 {
        let event = UInt16(truncatingIfNeeded: start + step)
        ring.usedEvent = event
        guard try isNotified(probe, bench) else {
          throw Finding(bench.rule, "no notification as the used index passed used_event \(event) by one")
        }
      }
    }
    for offset in 0..<4 {
      let probe = try bench.start(64, position: 65_534)
      let event = UInt16(truncatingIfNeeded: 65_534 + offset)
      probe.queue.ring.usedEvent = event
      guard try isNotified(probe, bench, count: 4) else {
        throw Finding(bench.rule, "no notification as the used index went from 65534 to 2 past used_event \(event)")
      }
    }
    let probe = try bench.start()
    probe.queue.ring.usedEvent = 40
    note = try unwished(probe, bench)
    return note
  }

  private static func packedFlag(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start()
    for _ in 0..<3 where try !isNotified(probe, bench) {
      throw Finding(bench.rule, "no notification with the driver's event flags 0")
    }
    probe.queue.ring.setDriverEvent(flags: 1, offsetAndWrap: 0)
    let note = try unwished(probe, bench)
    probe.queue.ring.setDriverEvent(flags: 0, offsetAndWrap: 0)
    guard try isNotified(probe, bench) else {
      throw Finding(bench.rule, "no notification after the driver's event flags went back to 0")
    }
    return note
  }

  private static func packedEvents(_ bench: ConformanceBench) throws -> String? {
    for (size, count) in [(16, 1), (6, 1), (16, 4)] {
      let probe = try bench.start(size)
      let ring = probe.queue.ring
      let length = Probe.descriptorCount(probe.next())
      for _ in 0..<12 {
        // Where the last of the requests will be used.
        let count = min(count, size / length)
        guard count > 0 else { continue }
        let at = probe.queue.position + (count - 1) * length
        let event = UInt16(at % size) | (ring.wrap(at: at) ? 0x8000 : 0)
        ring.setDriverEvent(flags: 2, offsetAndWrap: event)
        guard try isNotified(probe, bench, count: count) else {
          throw Finding(
            bench.rule,
            "no notification as the descriptor at \(at % size), wrap \(event >> 15), was used, which the "
              + "event of a ring of \(size) names")
        }
      }
    }
    let probe = try bench.start()
    probe.queue.ring.setDriverEvent(flags: 2, offsetAndWrap: 40 | 0x8000)
    return try unwished(probe, bench)
  }

  /// Notifies the device only where it wishes it.
  private static func deviceWish(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start(256)
    let ring = probe.queue.ring
    let hasEvents = bench.features.contains(.eventIndex)
    var kicks = 0
    let count = min(80, 256 / Probe.descriptorCount(probe.next()) - 1)
    for _ in 0..<count {
      let old = probe.queue.position
      probe.add(probe.next())
      let flags = ring.isPacked ? ring.deviceEvent.flags : ring.usedFlags
      let limit: UInt16 = ring.isPacked ? (hasEvents ? 2 : 1) : (hasEvents ? 0 : 1)
      guard flags <= limit else {
        throw Finding(bench.rule, "the device's flags are \(flags)\(hasEvents ? " with EVENT_IDX" : "")")
      }
      probe.queue.publish()
      // Between publishing and reading the device's wish, or both sides may wait.
      cring_cpu_full()
      let (now, wanted) = ring.isPacked ? ring.deviceEvent : (ring.usedFlags, ring.availableEvent)
      if isWished(ring, now, wanted, from: old, to: probe.queue.position, hasEvents) {
        probe.kick()
        kicks += 1
      }
      try probe.finish(1)
    }
    return "\(kicks) notifications for \(count) requests"
  }

  private static func isWished(
    _ ring: RingMemory, _ flags: UInt16, _ event: UInt16, from old: Int, to new: Int, _ hasEvents: Bool
  ) -> Bool {
    guard ring.isPacked else {
      guard hasEvents else { return flags & 1 == 0 }
      let (from, to) = (UInt16(truncatingIfNeeded: old), UInt16(truncatingIfNeeded: new))
      return to &- event &- 1 < to &- from
    }
    guard flags == 2 else { return flags == 0 }
    // The wish is of this lap or the next.
    let at = Int(event & 0x7fff) + (ring.wrap(at: old) == (event >> 15 == 1) ? 0 : ring.size)
    let start = old % ring.size
    return (start..<start + new - old).contains(at)
  }
}

extension RingMemory {
  /// The driver's event suppression of a packed ring.
  func setDriverEvent(flags: UInt16, offsetAndWrap: UInt16) {
    store16(offsetAndWrap, driverArea, 0)
    store16(flags, driverArea, 2)
  }

  /// The same as it stands there.
  package var driverEvent: (flags: UInt16, offsetAndWrap: UInt16) { (load16(driverArea, 2), load16(driverArea, 0)) }

  /// The device's event suppression of a packed ring.
  var deviceEvent: (flags: UInt16, offsetAndWrap: UInt16) { (load16(deviceArea, 2), load16(deviceArea, 0)) }
}

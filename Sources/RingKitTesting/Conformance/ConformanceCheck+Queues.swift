internal import RingKit

extension ConformanceCheck {
  /// How a queue is set up, stopped and begun anew (rules Q1 to Q5).
  static var queues: [ConformanceCheck] {
    let split = [1, 2, 4, 8, 256, 1024, 32_768].map { sizeCheck($0, "Q1", nil) }
    let packed = [1, 2, 3, 5, 8, 100, 256, 1024, 32_767, 32_768].map { sizeCheck($0, nil, "Q1") }
    return split + packed + [
      ConformanceCheck(
        nil, "Q2", "a packed queue that begins with its wrap counters 0", needs: ["P20", "P18"], isForAny: true
      ) {
        bench in try inTheMiddle(bench, [64 + 5, 64])
      },
      ConformanceCheck("Q3", "Q3", "an idle queue stopped and started again", needs: ["Q2"], isForAny: true) {
        try idleStop($0)
      },
      ConformanceCheck(
        "Q4", "Q4", "a queue stopped with requests in flight, and started again", with: [[], .inOrder],
        needs: ["Q2", "Q3"]
      ) { try busyStop($0) },
      ConformanceCheck("Q5", "Q5", "a session that ends with requests in flight") { bench in
        for _ in 0..<3 {
          let probe = try bench.start()
          for _ in 0..<8 { probe.add(probe.next(units: 4)) }
          probe.publish()
        }
        let probe = try bench.start()
        for _ in 0..<4 { try probe.roundTrip() }
        return nil
      },
    ]
  }

  /// Where a queue begins, without which no other position says anything.
  static var position: ConformanceCheck {
    ConformanceCheck("Q2", "Q2", "a queue that begins in the middle of its ring", isForAny: true) { bench in
      try inTheMiddle(bench, [5, 31])
    }
  }

  private static func sizeCheck(_ size: Int, _ split: String?, _ packed: String?) -> ConformanceCheck {
    // A request takes all of a small ring.
    let needs = size > 4 ? [] : [smallChains]
    return ConformanceCheck(
      split, packed, "a ring of \(size)", needs: needs, mayBeRefused: true, isForAny: true
    ) { bench in
      // The last slots of the table are used first.
      let probe = try bench.start(size, firstSlot: max(size - 2, 0))
      guard bench.subject.hasRequests else { return nil }
      // A table would not help: a chain is no longer than its queue, tables counted (S8).
      guard bench.subject.fewestSegments <= size else {
        throw NotApplicable("a request has \(bench.subject.fewestSegments) segments at least")
      }
      let plain = Probe.descriptorCount(probe.next())
      for _ in 0..<max(min(size / max(plain, 1), 4), 1) {
        try probe.roundTrip(.count(min(plain, size)))
      }
      return nil
    }
  }

  private static func inTheMiddle(_ bench: ConformanceBench, _ positions: [Int]) throws -> String? {
    for position in positions {
      let probe = try bench.start(64, position: position)
      guard bench.subject.hasRequests else {
        try expectStop(probe, bench)
        continue
      }
      // Whatever is wrong with the ring then is because of where it began.
      do { for _ in 0..<4 { try probe.roundTrip() } } catch let finding as Finding where !finding.isCertain {
        throw Finding(bench.rule, finding.seen)
      }
    }
    return nil
  }

  /// Stops an idle queue, which must say where the next buffer will be.
  private static func expectStop(_ probe: Probe, _ bench: ConformanceBench) throws {
    let base = try probe.port.stop(bench.subject.queue)
    // Nothing is in flight.
    guard probe.queue.isUsedBase(base) else {
      throw Finding(
        bench.rule,
        "it stopped at 0x\(String(base, radix: 16)), and the next buffer is due at 0x"
          + String(probe.queue.base, radix: 16))
    }
  }

  private static func idleStop(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start()
    for turn in 0..<4 {
      if bench.subject.hasRequests {
        for _ in 0..<2 { try probe.roundTrip() }
      }
      try expectStop(probe, bench)
      if turn < 3, bench.subject.hasRequests {
        // What becomes available meanwhile waits.
        probe.add(probe.next())
        probe.publish()
        try probe.pause(probe.quiet)
        guard try probe.queue.collect().isEmpty, probe.queue.trace() == nil else {
          throw Finding(bench.rule, "a queue that was stopped goes on")
        }
        try probe.port.start(bench.subject.queue, probe.queue.ring, base: probe.queue.usedBase)
        probe.kick()
        try probe.finish(1)
      } else if turn < 3 {
        try probe.port.start(bench.subject.queue, probe.queue.ring, base: probe.queue.base)
      }
    }
    return nil
  }

  private static func busyStop(_ bench: ConformanceBench) throws -> String? {
    var served: [Int] = []
    for turn in 0..<6 {
      let probe = try bench.start(256)
      let count = 24
      for _ in 0..<count { probe.add(probe.next(units: 1 + turn)) }
      probe.publish()
      let base = try probe.port.stop(bench.subject.queue)
      var done = 0
      while true {
        let batch = try probe.queue.collect()
        if batch.isEmpty { break }
        done += batch.count
      }
      guard probe.queue.isUsedBase(base) else {
        throw Finding(
          bench.rule,
          "it stopped at 0x\(String(base, radix: 16)) with \(done) of \(count) buffers used, so that "
            + "others would be lost or done twice; the next one that is not used is at 0x"
            + String(probe.queue.usedBase, radix: 16))
      }
      try probe.pause(probe.quiet)
      guard try probe.queue.collect().isEmpty, probe.queue.trace() == nil else {
        throw Finding(bench.rule, "a queue that was stopped goes on")
      }
      try probe.port.start(bench.subject.queue, probe.queue.ring, base: probe.queue.usedBase)
      probe.kick()
      try probe.finish(count - done)
      served.append(done)
    }
    return "stopped after \(served.map(String.init).joined(separator: ", ")) of 24"
  }
}

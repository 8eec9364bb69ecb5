internal import RingKit

private let tables: VirtioFeatures = .indirectDescriptors

extension ConformanceCheck {
  /// All checks of a device, the plain request first and those of a hostile driver last.
  static var all: [ConformanceCheck] {
    [plain, position] + buffers + notifications + queues + hostile
  }

  private static var plain: ConformanceCheck {
    ConformanceCheck(
      "S27", "P18", "a request goes round", with: [[], tables, .eventIndex, .inOrder]
    ) { bench in
      let probe = try bench.start()
      if bench.subject.kind == .block, bench.subject.reference.isEmpty { try readReference(probe, bench.rule) }
      for _ in 0..<4 { try probe.roundTrip(.plain, bench.hasTables ? .table() : .direct) }
      return nil
    }
  }

  /// What the disk holds, read twice in a plain way.
  private static func readReference(_ probe: Probe, _ rule: String) throws {
    var copies: [[UInt8]] = []
    for _ in 0..<2 {
      let request = probe.subject.request(0, units: probe.subject.blockCount)
      probe.add(request)
      probe.publish()
      let bytes = try probe.finish(1)[0].flight.written
      copies.append(Array(bytes.dropLast()))
    }
    guard copies[0] == copies[1] else { throw Finding(rule, "two reads of the same blocks differ") }
    probe.subject.reference = copies[0]
  }

  private static var buffers: [ConformanceCheck] {
    [
      ConformanceCheck("S21", "S21", "requests cut in every way", with: [[], tables]) { try cuts($0) },
      ConformanceCheck("S8", "P6", smallChains) { try fullChains($0, [8, 64]) },
      ConformanceCheck("S8", "P6", "a chain as long as a large queue") { try fullChains($0, [128, 256, 1024]) },
      ConformanceCheck("S8", "P13", "tables of every length up to the queue's", with: [tables]) { try fullTables($0) },
      ConformanceCheck("S24", nil, "WRITE on the descriptor of a table", with: [tables]) { bench in
        let probe = try bench.start()
        for _ in 0..<4 { try probe.roundTrip(.plain, .table(flags: RawDescriptor.write)) }
        return nil
      },
      ConformanceCheck("S25", nil, "a chain that ends in a table", with: [tables]) { bench in
        let probe = try bench.start()
        for direct in 1..<4 { try probe.roundTrip(.count(4), .tail(direct: direct)) }
        return nil
      },
      ConformanceCheck(
        "S11", nil, "indices past the ring's end, and from 65535 to 0", with: [[], .inOrder], needs: ["Q2"]
      ) {
        bench in
        for (size, position) in [(4, 0), (8, 65_530), (64, 65_500)] {
          let probe = try bench.start(size, position: position)
          for _ in 0..<24 { try probe.roundTrip() }
          for _ in 0..<4 { try fill(probe, bench) }
        }
        return nil
      },
      ConformanceCheck(
        nil, "P20", "wrap counters at the ring's end, and of a full ring", with: [[], .inOrder], needs: [smallChains]
      ) {
        bench in
        for size in [7, 6, 3, 64] {
          let probe = try bench.start(size)
          for _ in 0..<8 { try probe.roundTrip() }
          for _ in 0..<8 { try fill(probe, bench) }
        }
        return nil
      },
      ConformanceCheck("S27", "P18", "as many requests as fit, at once", with: [[], .inOrder]) { bench in
        let count = try fill(try bench.start(), bench)
        return "\(count) requests"
      },
      ConformanceCheck("S27", "P18", "a used entry is complete when it shows", with: [[], .inOrder]) { bench in
        let probe = try bench.start(256)
        // No lap is completed, so that each entry or descriptor still has what no device writes.
        let count = min(80, 256 / Probe.descriptorCount(probe.next()) - 1)
        for _ in 0..<count { try probe.roundTrip() }
        return "\(count) entries"
      },
      ConformanceCheck("S22", "P19", "nothing is written but what is writable", with: [[], tables]) { bench in
        let probe = try bench.start()
        try untouched(probe, bench, [probe.data])
        return nil
      },
      ConformanceCheck("S23", nil, "descriptors and available ring are not written", with: [[], tables]) { bench in
        let probe = try bench.start()
        try untouched(probe, bench, [probe.queue.ring.descriptors, probe.queue.ring.driverArea])
        return nil
      },
      ConformanceCheck("S28", "P21", "no more is reported than was written", with: [[], .inOrder]) { try lengths($0) },
      ConformanceCheck(nil, "P20", "a descriptor that is not available is not taken") { try notAvailable($0) },
      ConformanceCheck(nil, "P21", "a used descriptor is left alone") { bench in
        let probe = try bench.start()
        try probe.roundTrip()
        let (used, slot) = (probe.queue.ring[0], 0)
        for _ in 0..<4 { try probe.roundTrip() }
        probe.kick()
        try probe.pause(probe.quiet)
        guard probe.queue.ring[slot] == used else {
          throw Finding(bench.rule, "the used descriptor at \(slot) became \(probe.queue.ring[slot].text)")
        }
        return nil
      },
      ConformanceCheck(nil, "P22", "one used descriptor stands for a list") { bench in
        let probe = try bench.start()
        for count in [4, 2, 5, 3] where count >= bench.subject.fewestSegments {
          probe.add(probe.next(units: 2), .count(count))
        }
        probe.publish()
        try probe.finish(probe.queue.inFlight.count)
        return nil
      },
    ]
  }

  /// Fills the ring with plain requests, and waits for all of them.
  @discardableResult
  private static func fill(_ probe: Probe, _ bench: ConformanceBench) throws -> Int {
    var count = 0
    while true {
      let request = probe.next()
      guard Probe.descriptorCount(request) <= probe.queue.room else { break }
      probe.add(request)
      count += 1
    }
    // The rest of the ring, where a shorter request fits into it.
    let rest = probe.queue.room
    if rest >= bench.subject.fewestSegments {
      probe.add(probe.next(), .count(rest))
      count += 1
    }
    guard count > 0 else { throw NotApplicable("a request does not fit into a ring of \(probe.queue.ring.size)") }
    probe.publish()
    try probe.finish(count)
    return count
  }

  private static func lists(_ total: Int) -> [[Int]] {
    guard total > 0 else { return [[]] }
    return [
      [], [1], [total - 1], [total / 2], [8, total - 9], [3, 7, 11, 2], [Int](repeating: 1, count: min(total, 16)),
      [total - 3, 1, 1],
    ].map { $0.filter { $0 > 0 } }
  }

  private static func cuts(_ bench: ConformanceBench) throws -> String? {
    let plain = bench.subject.request(1)
    let (readable, writable) = (lists(plain.readable.count), lists(plain.writableByteCount))
    var all: [RawCut] = readable.map { .lengths(readable: $0, writable: plain.writableCut) }
    all += writable.map { .lengths(readable: plain.readableCut, writable: $0) }
    all += zip(readable, writable).map { .lengths(readable: $0, writable: $1) }
    var probe: Probe?
    for cut in all {
      let made: Probe
      // No lap of the ring is completed.
      if let probe, probe.queue.position + 40 < 64 { made = probe } else { made = try bench.start() }
      probe = made
      try made.roundTrip(cut, bench.hasTables ? .table() : .direct)
    }
    // Frames that the device sends back were looked at as they came.
    if bench.subject.kind == .network, bench.subject.returned == 0 {
      return "no frame came back: only used entries seen"
    }
    return "\(all.count) cuts"
  }

  /// What other checks need that fill a small ring.
  static var smallChains: String { "a chain as long as a small queue" }

  private static func fullChains(_ bench: ConformanceBench, _ sizes: [Int]) throws -> String? {
    let sizes = sizes.filter { $0 <= bench.subject.mostSegments }
    guard !sizes.isEmpty else { throw NotApplicable("a request has \(bench.subject.mostSegments) segments at most") }
    for size in sizes {
      let probe = try bench.start(size)
      do { try probe.roundTrip(.count(size), units: 8 + size / 16) } catch let finding as Finding
        where !finding.isCertain
      {
        throw Finding(bench.rule, finding.seen)
      }
    }
    return "of \(sizes.map(String.init).joined(separator: ", "))"
  }

  private static func fullTables(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start()
    for count in bench.subject.fewestSegments...min(64, bench.subject.mostSegments) {
      try probe.roundTrip(.count(count), .table(), units: 12)
    }
    let sizes = [128, 256, 1024].filter { $0 <= bench.subject.mostSegments }
    for size in sizes {
      try bench.start(size).roundTrip(.count(size), .table(), units: 8 + size / 16)
    }
    return "up to \(sizes.last ?? 64)"
  }

  /// Sends requests of several shapes, and holds memory that the device may not write against what it was.
  private static func untouched(_ probe: Probe, _ bench: ConformanceBench, _ parts: [GuestBuffer]) throws {
    for count in [0, 2, 3, 6, 9] where count == 0 || count >= bench.subject.fewestSegments {
      probe.add(probe.next(units: 2), count == 0 ? .plain : .count(count), bench.hasTables ? .table() : .direct)
      probe.queue.publish()
      let before = parts.map { $0.copyOut() }
      let writable = probe.queue.inFlight.flatMap(\.segments).filter(\.isWritable).map(\.buffer)
      probe.kick()
      _ = try probe.collect(1)
      for (part, old) in zip(parts, before) {
        if let wrong = probe.firstChange(in: part, from: old, but: writable) { throw Finding(bench.rule, wrong) }
      }
    }
  }

  private static func lengths(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start()
    var all: [(name: String, request: SubjectRequest)] = [1, 2, 8].map { ("a request", probe.next(units: $0)) }
    all += bench.subject.oddRequests()
    for (name, request) in all {
      probe.add(request)
      probe.publish()
      let done = try probe.collect(1)[0]
      let (bytes, length) = (done.flight.written, Int(done.length ?? 0))
      guard length <= bytes.count else {
        throw Finding(bench.rule, "\(name): \(length) bytes are reported of a buffer of \(bytes.count)")
      }
      let written = request.writtenAtLeast(bytes)
      guard length <= written else {
        throw Finding(bench.rule, "\(name): \(length) bytes are reported, and the first \(written) were written")
      }
    }
    return "\(all.count) requests"
  }

  private static func notAvailable(_ bench: ConformanceBench) throws -> String? {
    let probe = try bench.start()
    try probe.roundTrip()
    let (ring, slot) = (probe.queue.ring, probe.queue.position % probe.queue.ring.size)
    probe.add(probe.next())
    probe.stimulate(1)
    for lap in [0, RawDescriptor.used, RawDescriptor.used | RawDescriptor.available] {
      // All of the list is there, but for the flags of its first descriptor.
      guard var head = probe.queue.waitingHead else { throw NotApplicable("no descriptor waits") }
      head.flags = head.flags & ~(RawDescriptor.used | RawDescriptor.available) | lap
      ring[slot] = head
      probe.kick()
      try probe.pause(probe.quiet)
      let isWritten = probe.queue.inFlight[0].written.contains { $0 != Subject.poison }
      guard ring[slot] == head, !isWritten else {
        throw Finding(bench.rule, "with \(RawDescriptor.flagsText(head.flags)) the descriptor at \(slot) was taken")
      }
    }
    probe.publish()
    try probe.finish(1)
    return nil
  }
}

extension Probe {
  /// Descriptors of a plain request without a table.
  static func descriptorCount(_ request: SubjectRequest) -> Int {
    request.readableCut.count + request.writableCut.count
  }

  /// The first byte of a part of memory that changed, but for those that may.
  func firstChange(in part: GuestBuffer, from old: [UInt8], but writable: [GuestBuffer]) -> String? {
    var old = old
    let now = part.copyOut()
    for buffer in writable where buffer.address.rawValue >= part.address.rawValue {
      let start = Int(buffer.address.rawValue - part.address.rawValue)
      guard start + buffer.byteCount <= part.byteCount else { continue }
      old.replaceSubrange(start..<start + buffer.byteCount, with: now[start..<start + buffer.byteCount])
    }
    guard let at = firstDifference(now, old) else { return nil }
    return "the byte at 0x\(String(part.address.rawValue + UInt64(at), radix: 16)) (\(at) in \(area(of: part))) "
      + "became \(now[at]), and was \(old[at])"
  }

  private func area(of part: GuestBuffer) -> String {
    switch part.address {
    case queue.ring.descriptors.address: "the descriptors"
    case queue.ring.driverArea.address: "the driver's part of the ring"
    default: "data and what lies between"
    }
  }
}

internal import RingKit

/// A violation by its number, told to the device.
extension ConformanceCheck {
  /// What a device has to survive without touching what it was not given, and without keeping the driver waiting.
  static var hostile: [ConformanceCheck] {
    [false, true].flatMap { isPacked in
      Lie<DriverStage>.all(isPacked: isPacked).map { lie in
        let colon = lie.description.firstIndex(of: ":")
        let rule = colon.map { String(lie.description[..<$0]) } ?? "Q6"
        let title = colon.map { String(lie.description[$0...].dropFirst(2)) } ?? lie.description
        return ConformanceCheck(
          isPacked ? nil : rule, isPacked ? rule : nil, "hostile: \(title)", with: [lie.features], isHostile: true
        ) { bench in
          var notes: [String] = []
          for variation in [0, 1, 12_345] {
            let note = try tell(lie, bench, variation)
            if !notes.contains(note) { notes.append(note) }
          }
          return notes.joined(separator: ", or ")
        }
      }
    }
  }

  private static func tell(_ lie: Lie<DriverStage>, _ bench: ConformanceBench, _ variation: Int) throws -> String {
    let probe = try bench.start(16)
    try probe.roundTrip()
    let (stage, writable) = try probe.stage(lie.table, variation)
    let ring = probe.queue.ring
    for slot in 0..<ring.size where !ring.isPacked { ring[slot] = RawDescriptor(0, 0) }
    let before = ring.isPacked ? [] : ring.usedPart
    let data = probe.data.copyOut()
    _ = lie.tell(stage)
    let taken = ring.isPacked ? (0..<ring.size).map { ring[$0] } : []
    probe.kick()
    probe.stimulate(1)
    var ending: String?
    do { try probe.pause(4 * probe.quiet) } catch let end as PortEnd {
      guard case .closed = end else { throw end }
      ending = "refused: the session was ended"
    }
    if let wrong = probe.firstChange(in: probe.data, from: data, but: [writable]) { throw Finding(bench.rule, wrong) }
    if ending == nil {
      do throws(PortEnd) { _ = try probe.port.stop(bench.subject.queue) } catch {
        switch error {
        case .closed: ending = "refused: the session was ended"
        case .unanswered(let text): throw Finding(bench.rule, "the queue does not stop any more: \(text)")
        case .wrong: ending = "refused: the queue's position is none"
        default: throw error
        }
      }
    }
    let isUsed = ring.isPacked ? (0..<ring.size).contains { ring[$0] != taken[$0] } : ring.usedPart != before
    // The next session is as good as the first.
    try bench.start().roundTrip()
    return ending ?? (isUsed ? "completed all the same" : "refused: nothing was used")
  }
}

extension Probe {
  /// What a hostile driver has to do with: the ring as it stands, and memory that the device may read or write.
  func stage(_ table: [RawDescriptor], _ variation: Int) throws -> (DriverStage, writable: GuestBuffer) {
    let parts = (0..<3).map { data.slice(at: data.byteCount - 4096 + 1024 * $0, byteCount: 1024) }
    let (readable, writable) = (parts[0].address.rawValue, parts[1].address.rawValue)
    let entries = table.flatMap { entry in
      var entry = entry
      entry.address = entry.flags & RawDescriptor.write != 0 ? writable : readable
      return entry.bytes(isPacked: queue.ring.isPacked)
    }
    parts[2].copyIn(entries)
    let last = memory.regions[memory.regions.count - 1]
    let stage = DriverStage(
      queue.ring, position: queue.position, readable: readable, writable: writable, table: parts[2].address.rawValue,
      end: last.guestBase.rawValue + UInt64(last.byteCount), variation: variation)
    return (stage, parts[1])
  }
}

extension RingMemory {
  /// The used index and entries.
  fileprivate var usedPart: [UInt8] { deviceArea.copyOut(at: 2, byteCount: 2 + 8 * size) }
}

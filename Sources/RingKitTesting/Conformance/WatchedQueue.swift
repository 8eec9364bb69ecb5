internal import Glibc
internal import RingKit

/// What was seen of a driver with one set of features: how often each rule could be looked at, and what broke it first.
final class DriverTally {
  let features: VirtioFeatures
  private(set) var counts: [String: Int] = [:]
  private(set) var findings: [String: String] = [:]

  init(_ features: VirtioFeatures) { self.features = features }

  var isPacked: Bool { features.contains(.packedRing) }

  func saw(_ rules: String...) { for rule in rules { counts[rule, default: 0] += 1 } }

  func broke(_ rule: String, _ seen: String) { if findings[rule] == nil { findings[rule] = seen } }
}

/// A ring that the device's own thread looks at before and after it works on it, with no code of RingKit's queues.
///
/// Positions are indices of a split ring, or descriptors of two laps of a packed one.
final class WatchedQueue {
  let index: Int
  let ring: RingMemory
  let tally: DriverTally
  /// When the buffer that no notification came for was seen first.
  var pendingSince: UInt64?
  private(set) var isAsleep = false
  /// Whether the driver has to notify the device of what it makes available next.
  private var isAsked: Bool
  // Up to where buffers are used, were fetched when the device fell asleep, and were looked at.
  private var used = 0
  private var fetched = 0
  private var seen: Int?
  /// Descriptors as they were made available; of those from `used` to `seen` the driver may change none.
  ///
  /// What a device that completes out of order writes is behind `used`, wherever the buffer was that it stands for.
  private var copies: [RawDescriptor?]
  /// What the device left in its part of the ring.
  private var left: [UInt16]?
  private var batches = 0

  init(_ index: Int, _ ring: RingMemory, _ tally: DriverTally, isFirst: Bool) {
    (self.index, self.ring, self.tally) = (index, ring, tally)
    copies = Array(repeating: nil, count: ring.size)
    let hasEvents = tally.features.contains(.eventIndex)
    let wish = ring.isPacked ? ring.deviceEvent.flags : hasEvents ? ring.availableEvent : ring.usedFlags
    isAsked = isFirst && wish == 0
  }

  private var hasEvents: Bool { tally.features.contains(.eventIndex) }
  private var isInOrder: Bool { tally.features.contains(.inOrder) }
  private var hasTables: Bool { tally.features.contains(.indirectDescriptors) }
  private var laps: Int { ring.isPacked ? 2 * ring.size : 65_536 }
  private func distance(_ to: Int, from: Int) -> Int { (to - from + laps) % laps }

  private func position(_ word: UInt16) -> Int {
    ring.isPacked ? Int(word & 0x7fff) + (word & 0x8000 == 0 ? ring.size : 0) : Int(word)
  }

  /// The device is about to serve the queue; `limit` milliseconds were waited for a notification that did not come.
  func willServe(
    used word: UInt16, fetched end: UInt16, isNotified: Bool, waited limit: Int?, pause: (DriverPause) -> Void
  ) {
    used = position(word)
    if seen == nil { seen = position(end) }
    let isNew = look()
    if isAsked, isNew {
      let rule = hasEvents ? "S18" : "S17"
      if isNotified { tally.saw(rule) }
      if let limit {
        tally.broke(rule, "queue \(index): a buffer was made available, and not notified of within \(limit) ms")
      }
    }
    (isAsleep, isAsked, pendingSince) = (false, false, nil)
    guard isNew else { return }
    // The driver has time to change what is in flight, and must not.
    batches += 1
    if batches > 64, batches % 64 != 0 { return }
    pause(.beforeSecondLook)
    _ = look()
    pause(.afterSecondLook)
  }

  func didServe(fetched end: UInt16, isAsleep: Bool) {
    (fetched, self.isAsleep, isAsked) = (position(end), isAsleep, isAsleep)
    left = devicePart
  }

  /// Whether a buffer was made available since the device fell asleep.
  var hasMore: Bool {
    guard ring.isPacked else { return Int(ring.availableIndex) != fetched }
    return RingMemory.lapFlags(ring[fetched % ring.size].flags) == ring.availableFlags(at: fetched)
  }

  /// Holds what changed against the rules; true when something was made available.
  private func look() -> Bool {
    lookAtWishes()
    if let left {
      tally.saw("Q7")
      if let at = zip(left, devicePart).enumerated().first(where: { $1.0 != $1.1 }) {
        tally.broke(
          "Q7",
          "queue \(index): byte \(2 * at.offset) of the device's part became \(at.element.1), "
            + "and was \(at.element.0)")
      }
    }
    return ring.isPacked ? lookAtPacked() : lookAtSplit()
  }

  private var devicePart: [UInt16] {
    (0..<ring.deviceArea.byteCount / 2).map { ring.load16(ring.deviceArea, 2 * $0) }
  }

  /// Whether what the driver says about used buffer notifications can be.
  private func lookAtWishes() {
    let rule = hasEvents ? "S13" : "S12"
    tally.saw(rule)
    let flags = ring.isPacked ? ring.driverEvent.flags : ring.availableFlags
    let limit: UInt16 = ring.isPacked ? (hasEvents ? 2 : 1) : (hasEvents ? 0 : 1)
    if flags > limit {
      tally.broke(rule, "queue \(index): the driver's flags are \(flags)\(hasEvents ? " with" : " without") EVENT_IDX")
    } else if flags == 2, Int(ring.driverEvent.offsetAndWrap & 0x7fff) >= ring.size {
      tally.broke(rule, "queue \(index): a notification is wanted at \(ring.driverEvent.offsetAndWrap & 0x7fff)")
    }
  }

  private func lookAtSplit() -> Bool {
    let now = Int(ring.availableIndex)
    guard var seen else { return false }
    // The device was faster than this.
    if distance(seen, from: used) > ring.size { seen = used }
    let ahead = distance(now, from: used)
    guard ahead >= distance(seen, from: used) else {
      tally.broke("S11", "queue \(index): the available index went from \(seen) back to \(now)")
      return false
    }
    // Further than the ring is long: for the device to refuse.
    guard ahead <= ring.size, now != seen else { return false }
    tally.saw("S11")
    while seen != now, let chain = ring.chain(at: seen) {
      note(chain)
      seen = (seen + 1) % laps
    }
    self.seen = seen
    return true
  }

  private func lookAtPacked() -> Bool {
    guard var seen else { return false }
    if distance(seen, from: used) > ring.size { seen = used }
    var at = used
    while at != seen {
      compare(at)
      at = (at + 1) % laps
    }
    let start = seen
    while let chain = ring.chain(at: seen), distance(seen, from: used) + chain.descriptors.count <= ring.size {
      note(chain)
      for (number, descriptor) in chain.descriptors.enumerated() {
        copies[(seen + number) % ring.size] = descriptor
      }
      seen = (seen + chain.descriptors.count) % laps
    }
    self.seen = seen
    return seen != start
  }

  /// A descriptor that is in flight: as it was, reused, or changed.
  private func compare(_ position: Int) {
    let slot = position % ring.size
    guard let copy = copies[slot] else { return }
    tally.saw("P2", "P3")
    let now = ring[slot]
    if now == copy { return }
    let isReused = RingMemory.lapFlags(now.flags) == ring.availableFlags(at: position + ring.size)
    tally.broke(
      isReused ? "P2" : "P3",
      "queue \(index): the descriptor at \(slot) was \(copy.text), became \(now.text), and was not used")
  }

  /// What a buffer gives to look at; that it breaks a rule the device finds.
  private func note(_ chain: RingMemory.Chain) {
    let isList = chain.descriptors.count > 1
    let isTable = chain.descriptors.last.map { $0.flags & RawDescriptor.indirect != 0 } ?? false
    guard ring.isPacked else {
      tally.saw("S4", "S8")
      if isList || isTable { tally.saw("S2") }
      if isList, isInOrder { tally.saw("S5") }
      if !hasTables { tally.saw("S6") }
      if isTable { tally.saw("S7", "S9") }
      if isTable, isInOrder { tally.saw("S10") }
      return
    }
    tally.saw("P6")
    if isList || isTable { tally.saw("P7") }
    if isList { tally.saw("P10") }
    if !hasTables { tally.saw("P11") }
    if isTable { tally.saw("P12", "P13", "P14") }
  }
}

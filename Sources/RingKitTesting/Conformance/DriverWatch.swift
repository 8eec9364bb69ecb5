internal import Glibc
internal import RingKit
internal import VhostUser

/// A point between which the device's thread looks twice at what is in flight.
package enum DriverPause: Sendable {
  case beforeSecondLook, afterSecondLook
}

/// The rings of a session, and what the driver did with them.
final class DriverWatch: VringObserver {
  private let milliseconds: Int
  private let reorders: (Int) -> Bool
  private let pause: (DriverPause) -> Void
  private var queues: [Int: WatchedQueue] = [:]
  private(set) var tallies: [DriverTally] = []
  /// What the device left in the flags of a split ring's used part when the queue was taken away, by its address.
  private var flagsLeft: [Int: (address: UInt64, flags: UInt16)] = [:]
  /// Queues that are served although no notification came, and how long one was waited for.
  private var unasked: [Int: Int] = [:]
  /// Since when vrings wait for their first notification.
  private var unnotified: [Int: UInt64] = [:]
  private(set) var hasFailed = false

  init(milliseconds: Int, pause: ((DriverPause) -> Void)?, reorders: @escaping (Int) -> Bool) {
    (self.milliseconds, self.reorders) = (milliseconds, reorders)
    // A test's limit of ten seconds does not make it slow.
    let microseconds = UInt32(min(max(milliseconds, 100), 2000))
    self.pause = pause ?? { if $0 == .beforeSecondLook { usleep(microseconds) } }
  }

  /// What is counted for a set of features, those of the kind of device aside.
  func tally(_ features: VirtioFeatures) -> DriverTally {
    let features = features.intersection(VhostUserOptions.allRingFeatures)
    if let found = tallies.first(where: { $0.features == features }) { return found }
    let made = DriverTally(features)
    tallies.append(made)
    return made
  }

  func begins(_ index: Int, _ parts: [GuestBuffer], size: Int, features: VirtioFeatures, isFirst: Bool) {
    let ring = RingMemory(parts, isPacked: features.contains(.packedRing), size: size)
    let tally = tally(features)
    // What is misaligned is not read: the device refuses it.
    let alignments: [UInt] = ring.isPacked ? [16, 4, 4] : [16, 2, 4]
    tally.saw(ring.isPacked ? "P1" : "S1")
    guard zip(parts, alignments).allSatisfy({ $0.host.rawValue % $1 == 0 }) else { return }
    queues[index] = WatchedQueue(index, ring, tally, isFirst: isFirst)
    guard isFirst, !ring.isPacked else { return }
    // A queue that was taken away before it used anything begins with what its device left.
    let (address, flags) = (ring.deviceArea.address.rawValue, ring.usedFlags)
    if let left = flagsLeft[index], left == (address, flags) { return }
    tally.saw("S16")
    if flags != 0 { tally.broke("S16", "queue \(index): the used flags of a new ring are \(flags)") }
  }

  func mayReorder(_ index: Int) -> Bool { reorders(index) }

  func willServe(_ index: Int, used: UInt16, fetched: UInt16, isNotified: Bool) {
    queues[index]?.willServe(
      used: used, fetched: fetched, isNotified: isNotified, waited: unasked.removeValue(forKey: index), pause: pause)
  }

  func didServe(_ index: Int, fetched: UInt16, isAsleep: Bool) {
    queues[index]?.didServe(fetched: fetched, isAsleep: isAsleep)
  }

  func ended(_ index: Int) {
    guard let queue = queues.removeValue(forKey: index), !queue.ring.isPacked else { return }
    flagsLeft[index] = (queue.ring.deviceArea.address.rawValue, queue.ring.usedFlags)
  }

  func failed(_ index: Int, _ failure: VringFailure) {
    hasFailed = true
    guard let tally = queues[index]?.tally ?? tallies.last else { return }
    let text = "queue \(index): \(failure)"
    switch failure {
    case .queue(.violation(let violation)): tally.broke(violation.rule.rawValue, text)
    case .queue(.broken): break
    case .setup(.vring(_, .misaligned)): tally.broke(tally.isPacked ? "P1" : "S1", text)
    case .queue, .device, .setup: tally.broke("Q8", text)
    }
  }

  /// Queues in which something waits that the driver should have notified the device of, and those that were set up and
  /// never heard of: to be served unasked.
  func overdue(_ waiting: [Int], at now: UInt64) -> [Int] {
    var found: [Int] = []
    // What was found once is not waited for as long again.
    let isKnown = tallies.contains { $0.findings["S17"] != nil || $0.findings["S18"] != nil }
    func isOver(_ since: UInt64) -> Bool { now &- since >= UInt64(isKnown ? 5 : milliseconds) * 1_000_000 }
    for (index, queue) in queues where queue.isAsleep && queue.hasMore {
      let since = queue.pendingSince ?? now
      queue.pendingSince = since
      if isOver(since) { found.append(index) }
    }
    unnotified = unnotified.filter { waiting.contains($0.key) }
    for index in waiting {
      let since = unnotified[index] ?? now
      unnotified[index] = since
      if isOver(since) { found.append(index) }
    }
    for index in found { unasked[index] = milliseconds }
    return found
  }
}

internal import RingKit

/// One check of a device under test, for the rules of either layout that it is about.
struct ConformanceCheck {
  let split: String?
  let packed: String?
  let title: String
  /// Sets of ring features that it is done with, beside VERSION_1 and the layout's.
  let features: [VirtioFeatures]
  /// Rules, or titles of checks, without which it would say nothing of its own.
  let needs: [String]
  /// Whether a device may refuse what is set up here.
  let mayBeRefused: Bool
  /// Whether it can be done with a device whose requests are not known.
  let isForAny: Bool
  let isHostile: Bool
  /// Throws what was found; returns what else is worth saying.
  let body: (ConformanceBench) throws -> String?

  init(
    _ split: String?, _ packed: String?, _ title: String, with features: [VirtioFeatures] = [[]],
    needs: [String] = [], mayBeRefused: Bool = false, isForAny: Bool = false, isHostile: Bool = false,
    _ body: @escaping (ConformanceBench) throws -> String?
  ) {
    (self.split, self.packed, self.title, self.features, self.needs) = (split, packed, title, features, needs)
    (self.mayBeRefused, self.isForAny, self.isHostile, self.body) = (mayBeRefused, isForAny, isHostile, body)
  }
}

/// Why a check says nothing of this device.
struct NotApplicable: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// A set-up that the device refused.
struct Refusal: Error {
  let end: PortEnd
}

/// Makes the queues that a check wants, one session for each.
final class ConformanceBench {
  let rule: String
  let subject: Subject
  let features: VirtioFeatures
  let milliseconds: Int
  private let connect: ConformanceConnector
  private var probe: Probe?

  init(
    _ rule: String, _ subject: Subject, _ features: VirtioFeatures, milliseconds: Int,
    _ connect: @escaping ConformanceConnector
  ) {
    (self.rule, self.subject, self.features, self.milliseconds) = (rule, subject, features, milliseconds)
    self.connect = connect
  }

  var isPacked: Bool { features.contains(.packedRing) }
  var hasTables: Bool { features.contains(.indirectDescriptors) }

  /// A queue in a new session; the last one is over then.
  func start(_ size: Int = 64, position: Int = 0, firstSlot: Int = 0) throws -> Probe {
    end()
    let port = try connect(features)
    do {
      let made = try Probe(
        port, subject, features: features, size: size, position: position, firstSlot: firstSlot,
        milliseconds: milliseconds, rule: rule)
      probe = made
      try made.start()
      return made
    } catch let end as PortEnd { throw Refusal(end: end) }
  }

  /// What was made available last.
  var sent: String { probe?.sent ?? "nothing" }

  /// Ends the session, which the next one need not wait for then.
  func end() {
    probe?.port.close()
    probe = nil
  }
}

/// A device under test and every check of it.
final class ConformanceRun {
  // Of a network device the transmit queue, then the receive queue.
  private let subjects: [Subject]
  private var subject: Subject
  private let offered: VirtioFeatures
  private let milliseconds: Int
  private let connect: ConformanceConnector
  private let note: (ConformanceOutcome) -> Void
  private var outcomes: [ConformanceOutcome] = []
  private var isGone = false

  /// Meets the device.
  ///
  /// - Throws: ``PortEnd`` when there is none, or it does not take a first session.
  init(
    _ kind: ConformanceKind, milliseconds: Int, note: @escaping (ConformanceOutcome) -> Void,
    _ connect: @escaping ConformanceConnector
  ) throws(PortEnd) {
    let port = try connect(.version1)
    defer { port.close() }
    let first = Subject(kind, configuration: port.configuration, features: port.features)
    (subject, subjects) = (
      first,
      kind == .network
        ? [first, Subject(kind, isReceiving: true, configuration: [], features: port.features)] : [first]
    )
    offered = port.offered
    (self.milliseconds, self.connect, self.note) = (milliseconds, connect, note)
  }

  /// Does all checks, those of a hostile driver last.
  func run(on layouts: [Bool], isHostile: Bool) -> [ConformanceOutcome] {
    for next in subjects {
      subject = next
      look(on: layouts, isHostile: isHostile)
      // What does not return frames gives nothing to receive.
      if subject.kind == .network, subject.returned == 0 { break }
    }
    outcomes += ConformanceRules.silent(beside: outcomes, isHostile: isHostile)
    return outcomes
  }

  private func look(on layouts: [Bool], isHostile: Bool) {
    let checks = ConformanceCheck.all
    for isPacked in layouts {
      let layout: VirtioFeatures = isPacked ? [.version1, .packedRing] : .version1
      guard offered.isSuperset(of: layout) else {
        add("P1", isPacked, layout, "packed rings", .notApplicable, "RING_PACKED is not offered")
        continue
      }
      // Whether requests work at all decides on all the others.
      let first = checks[0]
      var works = true
      if subject.hasRequests {
        for (number, features) in first.features.enumerated() {
          let isKept = carryOut(first, isPacked, layout.union(features))
          works = works && (number > 0 || isKept)
        }
      }
      for check in checks.dropFirst() where !check.isHostile || isHostile {
        guard (isPacked ? check.packed : check.split) != nil else { continue }
        for features in check.features {
          let features = layout.union(features)
          guard works else {
            skip(check, isPacked, features, "a plain request does not come back right")
            continue
          }
          _ = carryOut(check, isPacked, features)
        }
      }
    }
  }

  /// A check's name, with the queue that it looked at.
  private func name(_ title: String) -> String { subject.isReceiving ? "receive: \(title)" : title }

  private func skip(_ check: ConformanceCheck, _ isPacked: Bool, _ features: VirtioFeatures, _ reason: String) {
    add((isPacked ? check.packed : check.split) ?? "", isPacked, features, check.title, .notApplicable, reason)
  }

  private func add(
    _ rule: String, _ isPacked: Bool, _ features: VirtioFeatures, _ title: String,
    _ verdict: ConformanceOutcome.Verdict,
    _ note: String?
  ) {
    let others = features.subtracting([.version1, .packedRing])
    let outcome = ConformanceOutcome(
      rule: rule, ring: isPacked ? "packed" : "split", features: others.isEmpty ? "" : "\(others)", check: name(title),
      verdict: verdict, note: note)
    outcomes.append(outcome)
    self.note(outcome)
  }

  /// Does one check; false when a rule was broken.
  private func carryOut(_ check: ConformanceCheck, _ isPacked: Bool, _ features: VirtioFeatures) -> Bool {
    let rule = (isPacked ? check.packed : check.split) ?? ""
    let missing = features.subtracting(offered)
    guard missing.isEmpty else {
      skip(check, isPacked, features, "\(missing) is not offered")
      return true
    }
    guard subject.hasRequests || check.isForAny else {
      skip(check, isPacked, features, "it needs requests, which are not known (--kind any)")
      return true
    }
    if let broken = check.needs.first(where: { need in isBroken(need, isPacked) }) {
      skip(check, isPacked, features, "it needs what failed: \(broken)")
      return true
    }
    guard !isGone else {
      skip(check, isPacked, features, "the back-end is gone")
      return true
    }
    let bench = ConformanceBench(rule, subject, features, milliseconds: milliseconds, connect)
    var (verdict, text, found): (ConformanceOutcome.Verdict, String?, String) = (.passed, nil, rule)
    func fail(_ seen: String) { (verdict, text) = (.failed, "sent \(bench.sent); seen: \(seen)") }
    do { text = try check.body(bench) } catch let finding as Finding {
      found = finding.rule
      fail(finding.seen)
    } catch let hang as Hang { fail(hang.seen) } catch let reason as NotApplicable {
      (verdict, text) = (.notApplicable, reason.reason)
    } catch let refusal as Refusal {
      if check.mayBeRefused {
        (verdict, text) = (.refused, refusal.end.text)
      } else {
        fail("the queue could not be set up: \(refusal.end.text)")
      }
    } catch let end as PortEnd { fail(end.text) } catch { fail("\(error)") }
    bench.end()
    if verdict == .failed || verdict == .refused || check.isHostile, let reason = gone() {
      (verdict, isGone) = (.failed, true)
      text = (text.map { $0 + "; " } ?? "sent \(bench.sent); seen: ") + reason
    }
    add(found, isPacked, features, check.title, verdict, text)
    return verdict != .failed
  }

  private func isBroken(_ rule: String, _ isPacked: Bool) -> Bool {
    outcomes.contains {
      ($0.rule == rule && $0.check.hasPrefix("receive: ") == subject.isReceiving || $0.check == name(rule))
        && $0.verdict == .failed && ($0.ring == "packed") == isPacked
    }
  }

  /// Whether the device still takes a session.
  private func gone() -> String? {
    do throws(PortEnd) { try connect(.version1).close() } catch { return "no further session: \(error.text)" }
    return nil
  }
}

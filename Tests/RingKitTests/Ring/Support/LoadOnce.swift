import RingKit
import RingTestSupport
import Testing

/// The scenarios behind ``LoadOnceTests``: four buffers are offered, three of them fetched, completed and taken back.
enum LoadOnce {
  enum Role {
    case device
    case driver
  }

  /// What one end saw: buffers in its own words, and the error it ended with.
  struct Outcome: Equatable {
    var buffers: [String] = []
    var error: QueueError?
  }

  private struct Scenario: CustomStringConvertible {
    let role: Role
    let layout: RingLayout
    let features: VirtioFeatures
    /// One call for all buffers, else one for each.
    let isBatch: Bool
    /// The device serves each on the spot.
    let isAlone: Bool
    /// Three descriptors to a buffer, else one.
    let hasChains: Bool
    /// The device completes the last one first.
    let isReversed: Bool

    static let size = 16
    static let rounds = 3

    /// Not in steps: fetched, then completed.
    var onTheSpot: Bool { isBatch || isAlone }

    var description: String {
      "\(role), \(layout), \(features), \(isBatch ? "batch" : isAlone ? "alone" : "single"), "
        + "\(hasChains ? "chains" : "one descriptor each")"
        + (isReversed ? ", reversed" : "")
    }

    static func all(_ role: Role) -> [Scenario] {
      var found: [Scenario] = []
      for layout in RingLayout.allCases {
        for features in [VirtioFeatures(), .inOrder, .indirectDescriptors, [.inOrder, .eventIndex]] {
          for (isBatch, hasChains) in [(false, false), (false, true), (true, false), (true, true)] {
            for isReversed in features.contains(.inOrder) || role == .device ? [false] : [false, true] {
              for isAlone in role == .device && !isBatch ? [false, true] : [false] {
                found.append(
                  Scenario(
                    role: role, layout: layout, features: features, isBatch: isBatch, isAlone: isAlone,
                    hasChains: hasChains, isReversed: isReversed))
              }
            }
          }
        }
      }
      return found
    }

    /// A queue whose indices are no longer zero, with four buffers offered and, for a driver, three completed.
    func rig() throws -> Rig {
      let rig = try Rig(layout, .direct, size: Self.size, features: features)
      for _ in 0..<Self.rounds { try Exchange(rig).goRound(1) }
      for i in 0..<4 {
        let (readable, writable) = parts(i, rig)
        let result = try rig.driver.add(readable: readable, writable: writable, token: UInt64(100 + i))
        try #require(result == .added)
      }
      rig.driver.publish()
      if role == .driver {
        var chains = try (0..<3).map { _ in try rig.device.fetch() }
        if isReversed { chains.reverse() }
        for (i, chain) in chains.enumerated() {
          // A buffer that is not used completely ends a batch (virtio 1.2, 2.7.9 and 2.8.9).
          let all = UInt32(chain.writableByteCount)
          rig.device.complete(chain, written: features.contains(.inOrder) ? all : min(UInt32(i + 1), all))
        }
        rig.device.publish()
      }
      return rig
    }

    private func parts(_ i: Int, _ rig: Rig) -> (readable: [MemorySegment], writable: [MemorySegment]) {
      let segments = (0..<3).map { rig.segment(at: 256 * i + 64 * $0, 32 + 8 * $0) }
      if hasChains { return ([segments[0], segments[1]], [segments[2]]) }
      return i % 2 == 0 ? ([], [segments[0]]) : ([segments[0]], [])
    }

    /// Lets the end do its work, and says what it saw.
    func run(_ rig: Rig, lying lies: [AccessTrace.Lie] = []) throws -> (outcome: Outcome, trace: AccessTrace) {
      var outcome = Outcome()
      let trace = try AccessTrace(of: [rig.ring.buffer, rig.tables.buffer], lying: lies) {
        do {
          switch role {
          case .device: try serve(rig, &outcome)
          case .driver: try reclaim(rig, &outcome)
          }
        } catch let error as QueueError { outcome.error = error } catch let error as ServeError<any Error> {
          guard case .queue(let error) = error else { throw error }
          outcome.error = error
        }
      }
      return (outcome, trace)
    }

    private func serve(_ rig: Rig, _ outcome: inout Outcome) throws {
      if onTheSpot {
        var seen: [String] = []
        defer { outcome.buffers = seen }
        for _ in 0..<(isAlone ? 3 : 1) {
          _ = try rig.device.serve(atMost: isAlone ? 1 : 3) { chain, segments in
            seen.append(Self.text(chain, segments, rig))
            return UInt32(chain.writableByteCount)
          }
        }
      } else {
        for _ in 0..<3 {
          let chain = try rig.device.fetch()
          outcome.buffers.append(Self.text(chain, rig.device.segments, rig))
          rig.device.complete(chain)
        }
        rig.device.publish()
      }
    }

    /// A chain in words that mean the same in every rig.
    private static func text(_ chain: DeviceChain, _ segments: [TranslatedSegment], _ rig: Rig) -> String {
      let start = rig.payload.buffer.host.rawValue
      return "\(chain.id):"
        + segments.map { " \($0.byteCount) at \($0.host.rawValue &- start), \($0.access)" }.joined(separator: ";")
    }

    private func reclaim(_ rig: Rig, _ outcome: inout Outcome) throws {
      if isBatch {
        do {
          outcome.buffers = try rig.driver.reclaim().map { "\($0)" }
        } catch {
          outcome.buffers = rig.driver.lastCompletions.map { "\($0)" }
          throw error
        }
      } else {
        while let completion = try rig.driver.nextUsed() { outcome.buffers.append("\(completion)") }
      }
    }

    /// How often each field may be loaded, where a buffer is one descriptor: offsets in each of the ring's parts.
    ///
    /// From the specification's layouts (virtio 1.2, 2.7 and 2.8) and nothing else.
    var expected: [[Int: Int]] {
      let slots = Array(Self.rounds..<Self.rounds + 3)
      // IN_ORDER: the first of the batch's entries speaks for all.
      let told = features.contains(.inOrder) ? [slots[0]] : slots
      // The first that comes out of turn is what a call for many finds out by, and leaves to the careful way.
      let again = isBatch && isReversed ? [slots[0]] : []
      switch (role, layout) {
      case (.device, .split):
        return [both(slots, 16, 0, 8), both(slots, 2, 4).merging([2: 1]) { $1 }, [:]]
      case (.device, .packed): return [both(slots, 16, 0, 8), [:], [:]]
      case (.driver, .split):
        // One call alone looks at the index once; single ones again when all it covered is taken.
        return [[:], [:], both(told + again, 8, 4, 8).merging([2: isBatch ? 1 : 2]) { $1 }]
      // The descriptor behind is looked at, and is not used yet: by both ways, where both had a part.
      case (.driver, .packed):
        let behind = slots[2] + 1
        return [both(told + again + [behind] + (again.isEmpty ? [] : [behind]), 16, 8), [:], [:]]
      }
    }

    /// What can be made of the field at an offset, each of it wrong: a bit no address, length, id or index here has.
    ///
    /// How much a load takes is not known, so a field is changed as each of what can begin there.
    func lies(at offset: Int, isTable: Bool) -> [(byteCount: Int, mask: UInt64)] {
      let isDescriptor = isTable || offset < 16 * Self.size
      var found: [(Int, UInt64)] = []
      if offset % 8 == 0 { found.append((8, 1 << 62)) }
      if offset % 4 == 0 { found.append((4, 1 << 31)) }
      if !isDescriptor { found.append((2, 1 << 14)) }
      // A packed device takes any id, so where it may begin again it may take this one.
      if isDescriptor, offset % 16 == 8, role == .driver || !(onTheSpot && hasChains) { found.append((8, 1 << 46)) }
      return found
    }

    private func both(_ slots: [Int], _ stride: Int, _ offsets: Int...) -> [Int: Int] {
      Dictionary(slots.flatMap { slot in offsets.map { (slot * stride + $0, 1) } }, uniquingKeysWith: +)
    }
  }

  /// Counts the loads.
  static func count(_ role: Role) throws {
    for scenario in Scenario.all(role) {
      let rig = try scenario.rig()
      let (outcome, trace) = try scenario.run(rig)
      #expect(outcome.error == nil && outcome.buffers.count == 3, "\(scenario): \(outcome)")
      let loads = try rig.parts.map { trace.loads(from: $0) }
      if !scenario.hasChains {
        #expect(loads == scenario.expected, "\(scenario): \(loads)")
        continue
      }
      let isAny = loads.contains { !$0.isEmpty }
      #expect(isAny, "\(scenario)")
      // Serving on the spot leaves what is longer than one descriptor to the careful way, which begins again and takes
      // nothing from what was read before; and an index is looked at anew when all it covered is taken.
      for (part, found) in (loads + [trace.loads(from: rig.tables.buffer)]).enumerated() {
        let isIndex = { offset in scenario.layout == .split && (1...2).contains(part) && offset == 2 }
        for (offset, count) in found {
          let limit = isIndex(offset) ? 4 : scenario.onTheSpot && part < 3 ? 2 : 1
          #expect(count <= limit, "\(scenario): part \(part), offset \(offset) is loaded \(count) times")
        }
      }
    }
  }

  /// Changes each field that is read, right after it was read for the first time.
  static func deceive(_ role: Role) throws {
    var (unmoved, refused) = (0, 0)
    for scenario in Scenario.all(role) {
      let first = try scenario.rig()
      let (honest, trace) = try scenario.run(first)
      for (index, area) in [first.ring.buffer, first.tables.buffer].enumerated() {
        for offset in trace.loads(from: area).keys.sorted() {
          for (byteCount, mask) in scenario.lies(at: offset, isTable: index == 1) {
            let rig = try scenario.rig()
            let target = [rig.ring.buffer, rig.tables.buffer][index]
            let lie = AccessTrace.Lie(area: target, offset: offset, byteCount: byteCount, mask: mask)
            let (outcome, _) = try scenario.run(rig, lying: [lie])
            let seen = outcome.buffers
            var holds = seen == honest.buffers
            switch outcome.error {
            case nil: unmoved += 1
            case .violation, .fault:
              refused += 1
              holds = seen == Array(honest.buffers.prefix(seen.count))
            default: holds = false
            }
            let mask = String(mask, radix: 16)
            #expect(holds, "\(scenario): offset \(offset) ^ 0x\(mask): \(outcome) instead of \(honest.buffers)")
          }
        }
      }
    }
    #expect(unmoved > 100 && refused > 0, "\(unmoved) unmoved, \(refused) refused")
  }

  /// Asks both ends whether a notification is due, and whether there is something to do.
  static func notify() throws {
    for layout in RingLayout.allCases {
      for features in [VirtioFeatures(), .eventIndex] {
        let rig = try Rig(layout, .direct, size: 16, features: features)
        try Exchange(rig).offer(2)
        _ = try rig.device.fetch()
        func loads(_ body: () throws -> Void) throws -> [Int: Int] {
          try AccessTrace(of: [rig.ring.buffer], body).loads(from: rig.ring.buffer)
        }
        let looks = try [
          loads { _ = rig.driver.isNotificationDue() }, loads { _ = rig.driver.enableNotifications() },
          loads { _ = rig.device.enableNotifications() },
        ]
        #expect(looks.map { Array($0.values) } == [[1], [1], [1]], "\(layout), \(features): \(looks)")
        let chain = try rig.device.fetch()
        rig.device.complete(chain)
        rig.device.publish()
        let last = try loads { _ = rig.device.isNotificationDue() }
        #expect(Array(last.values) == [1], "\(layout), \(features): \(last)")
      }
    }
  }
}

extension Rig {
  /// The ring's three parts, none reaching into the next.
  fileprivate var parts: [GuestBuffer] {
    get throws {
      let all = try areas
      let ends = all.dropFirst().map(\.host.rawValue) + [ring.buffer.host.rawValue + UInt(ring.buffer.byteCount)]
      return zip(all, ends).map { area, end in area.slice(at: 0, byteCount: Int(end - area.host.rawValue)) }
    }
  }
}

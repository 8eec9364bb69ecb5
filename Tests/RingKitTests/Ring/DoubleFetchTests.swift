import Glibc
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

extension TwoThreads {
  /// The device's half, with a driver that changes descriptors and tables under it, is in `StressTests.swift`.
  @Suite("Double fetch")
  struct DoubleFetch {
    @Test(
      "used entries that change while they are read: correct completions or typed errors, each buffer once",
      arguments: RingLayout.allCases, [VirtioFeatures(), .inOrder])
    func driver(layout: RingLayout, features: VirtioFeatures) throws {
      let rig = try Rig(layout, .faultInjecting, size: 8, features: features, threads: true)
      let areas = try rig.areas
      let seed = SeededGenerator(for: "double fetch, \(layout.rawValue), \(features)").seed
      let stop = StopFlag()
      let flipper = TestThread { Self.flip(layout, areas, seed, stop) }
      defer {
        stop.raise()
        flipper.join()
      }
      var (completed, refused) = (0, 0)
      // Capacities of what is in flight: the account the driver's answers are held against.
      var inFlight: [UInt64: UInt32] = [:]
      var token: UInt64 = 0
      var rounds = 0
      while rounds < 20_000 || completed == 0 || refused == 0 {
        rounds += 1
        try #require(rounds < 4_000_000, "\(completed) completed, \(refused) refused")
        do {
          while inFlight.count < 8 {
            let isWritable = token % 2 == 0
            guard
              try rig.driver.add(
                rig.segment(at: 64 * Int(token % 8), 64), isWritable ? .deviceWritable : .deviceReadable, token: token)
                == .added
            else { break }
            inFlight[token] = isWritable ? 64 : 0
            token += 1
          }
          rig.driver.publish()
          let done: [Completion]
          if rounds % 2 == 0 {
            done = try rig.driver.reclaim()
          } else {
            done = try rig.driver.nextUsed().map { [$0] } ?? []
          }
          for completion in done { account(completion, &inFlight, &completed) }
          // Where both threads have one CPU, nothing changes until the other has it.
          if done.isEmpty { sched_yield() }
        } catch {
          guard case .violation = error else {
            Issue.record("\(error)")
            return
          }
          refused += 1
          // What a reclaim collected before it met the lie is back; a single fetch left the last batch as it was.
          if rounds % 2 == 0 {
            for completion in rig.driver.lastCompletions { account(completion, &inFlight, &completed) }
          }
          #expect(try rig.driver.reset().sorted() == inFlight.keys.sorted())
          #expect(rig.plan.outstandingCount == 0)
          inFlight = [:]
        }
      }
      #expect(rig.ring.isIntact && rig.payload.isIntact)
    }

    private func account(_ completion: Completion, _ inFlight: inout [UInt64: UInt32], _ completed: inout Int) {
      let capacity = inFlight.removeValue(forKey: completion.token)
      if capacity == nil || completion.writtenByteCount > capacity ?? 0 {
        Issue.record("\(completion) of a buffer of \(capacity.map(String.init) ?? "no") bytes in flight")
      }
      completed += 1
    }

    /// Ids and lengths that are right one moment and wrong the next, under an index or flags that say they are used.
    private static func flip(_ layout: RingLayout, _ areas: [GuestBuffer], _ seed: UInt64, _ stop: StopFlag) {
      var random = SeededGenerator(seed: seed)
      let target = Scribbler(layout == .split ? areas[2] : areas[0])
      while !stop.isRaised {
        for _ in 0..<32 {
          let bits = random.next()
          let slot = Int(bits % 8)
          let length: UInt16 = [0, 0, 64, 65][Int((bits >> 8) % 4)]
          let id = UInt16((bits >> 16) % 16 == 0 ? 9 : (bits >> 24) % 8)
          if layout == .split {
            target.store16(id, at: 4 + 8 * slot)
            // As often as a load can fall between two of them.
            for _ in 0..<32 {
              target.store16(0, at: 8 + 8 * slot)
              target.store16(length == 0 ? 0 : 65, at: 8 + 8 * slot)
            }
            target.store16(target.load16(at: 2) &+ UInt16((bits >> 32) % 4 / 3), at: 2)
            // With one CPU for both: a few entries ahead of a driver that looks, and not a time slice of them.
            sched_yield()
          } else {
            let lap: UInt64 = bits >> 40 & 1 == 0 ? 0x8080 : 0
            let flags = lap | (length > 0 ? 2 : 0)
            let word = UInt64(id) << 32 | flags << 48
            for _ in 0..<32 {
              target.store(word, at: 16 * slot + 8)
              target.store(word | UInt64(length), at: 16 * slot + 8)
            }
          }
        }
      }
    }
  }
}

import CPeer
import RingKit
import RingKitTesting
import RingTestSupport
import TestTraits
import Testing

extension TwoThreads {
  @Suite("Both ends ours, every byte checked")
  struct StressTests {
    private static let total = Environment.buffers(standard: 1_700_000)
    private static let cases = PeerCase.stress(over: DMAPath.plain)

    @Test("S19, P15: nothing is seen before it is written: layout × in-order × batch × path", arguments: cases)
    func stress(_ what: PeerCase) throws {
      // The paths behind an IOMMU, in the tests of RingIOMMU, have the other half.
      try PeerRun(what, buffers: Self.total / (10 * Self.cases.count)).exchange()
    }

    @Test("S20, P16: asleep on doorbells when idle, no wakeup is lost", arguments: PeerCase.doorbells)
    func doorbells(_ what: PeerCase) throws {
      try PeerRun(what, buffers: max(Self.total / (20 * PeerCase.doorbells.count), 2000)).exchange()
    }

    @Test(
      "descriptor fields that change while they are fetched are used as they were checked",
      arguments: RingLayout.allCases)
    func doubleFetch(layout: RingLayout) throws {
      let rig = try Rig(layout, size: 4, features: [.indirectDescriptors])
      let areas = try rig.areas
      let stop = StopFlag()
      let seed = SeededGenerator(for: "double fetch, \(layout.rawValue)").seed
      let seen = FetchTally()
      concurrently(2) { number in
        if number == 0 {
          self.flip(rig, areas[0], stop, seed)
        } else {
          self.fetch(rig, areas[1], seen, rounds: 30_000)
          stop.raise()
        }
      }
      #expect(seen.wrong == 0, "segments that no check would have let through")
      #expect(seen.fetched > 0 && seen.refused > 0, "the test must see both")
      #expect(rig.ring.isIntact && rig.payload.isIntact)
    }

    /// Changes descriptors and table entries between what is right and what is not, forever.
    private func flip(_ rig: Rig, _ descriptors: GuestBuffer, _ stop: StopFlag, _ seed: UInt64) {
      var random = SeededGenerator(seed: seed)
      let addresses: [UInt64] = [rig.address(0), rig.address(64), rig.payloadEnd - 8, 0, .max - 8]
      let ring = Scribbler(descriptors)
      let table = Scribbler(rig.payload.buffer)
      let shift: UInt64 = rig.layout == .split ? 32 : 48
      let lap: UInt64 = rig.layout == .split ? 0 : 0x80
      while !stop.isRaised {
        for _ in 0..<64 {
          let bits = random.next()
          let slot = Int(bits % 4) * 16
          let flags = [lap, lap | 1, lap | 2, lap | 4][Int(bits >> 8 % 4)]
          let length: UInt64 = [16, 32, 64, 0xffff_fff0][Int(bits >> 16 % 4)]
          let next = rig.layout == .split ? (bits >> 24 % 5) << 48 : 0
          let isTable = bits >> 32 & 1 == 1
          let target = isTable ? table : ring
          let wanted = isTable ? flags & 3 : flags
          target.store(addresses[Int(bits >> 40 % 5)], at: slot)
          target.store(length | wanted << shift | next, at: slot + 8)
        }
      }
    }

    private func fetch(_ rig: Rig, _ driverArea: GuestBuffer, _ seen: FetchTally, rounds: Int) {
      // Until the other thread runs, nothing is available.
      while seen.fetched + seen.refused < rounds || seen.fetched == 0 || seen.refused == 0 {
        if rig.layout == .split { Scribbler(driverArea).store16(1, at: 2) }
        do throws(QueueError) {
          guard let chain = try rig.device.next() else {
            cpeer_yield()
            continue
          }
          seen.fetched += 1
          var bytes: UInt64 = 0
          for segment in rig.device.segments {
            let start = segment.host.rawValue
            let isInside = rig.memory.regions.contains {
              start &- $0.hostBase.rawValue < UInt($0.byteCount)
                && start &- $0.hostBase.rawValue + UInt(segment.byteCount) <= UInt($0.byteCount)
            }
            if !isInside { seen.wrong += 1 }
            bytes += UInt64(segment.byteCount)
          }
          if bytes != chain.readableByteCount + chain.writableByteCount { seen.wrong += 1 }
        } catch { seen.refused += 1 }
        rig.device.reset()
      }
    }
  }
}

/// Suites whose tests run two polling threads each: one test at a time, or they starve each other.
@Suite("Two threads", .serialized, .oneAtATime)
enum TwoThreads {}

/// What became of fetches; written by one thread, read when it has ended.
final class FetchTally: @unchecked Sendable {
  var fetched = 0
  var refused = 0
  var wrong = 0
}

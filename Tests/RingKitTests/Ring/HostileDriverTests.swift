import CPeer
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("A device whose driver writes anything at any time")
struct HostileDriverTests {
  @Test(
    "never a trap, never an address outside what the driver has, nothing written but the used side",
    arguments: RingLayout.allCases)
  func anything(layout: RingLayout) throws {
    var random = SeededGenerator(for: "hostile driver, \(layout.rawValue)")
    var tally: [String: Int] = [:]
    for _ in 0..<1500 { try attack(layout, &random, &tally) }
    // The generator must reach both outcomes, or it tests nothing.
    #expect(tally["fetched", default: 0] > 100)
    #expect(tally["violation", default: 0] > 100)
    #expect(tally["fault", default: 0] > 100)
  }

  private func attack(
    _ layout: RingLayout, _ random: inout SeededGenerator, _ tally: inout [String: Int]
  ) throws {
    var features: VirtioFeatures = []
    for feature in [VirtioFeatures.indirectDescriptors, .inOrder, .eventIndex] where random.next() % 2 == 0 {
      features.insert(feature)
    }
    let size = layout == .split ? 1 << Int(random.next() % 5) : 1 + Int(random.next() % 17)
    let rig = try Rig(layout, size: size, features: features)
    let areas = try rig.areas
    let ring = try rig.ringMemory
    let addresses = [rig.address(0), rig.address(16), rig.payloadEnd, rig.ring.buffer.address.rawValue]
    let device = rig.device
    var held: [DeviceChain] = []
    for _ in 0..<40 {
      ring.scribbleAsDriver(&random, addresses: addresses, tables: rig.payload.buffer)
      do throws(QueueError) {
        for _ in 0..<Int(random.next() % 4) {
          guard let chain = try device.next() else { break }
          tally["fetched", default: 0] += 1
          expectInside(rig, chain, device.segments)
          held.append(chain)
        }
      } catch {
        tally[kind(error), default: 0] += 1
        #expect(device.isBroken)
        #expect(device.failure() == .broken)
        device.reset()
        held = []
      }
      let before = sums(rig, areas)
      while !held.isEmpty, random.next() % 3 != 0 {
        let chain = held.removeFirst()
        device.complete(chain, written: UInt32(clamping: min(chain.writableByteCount, random.next() % 100)))
      }
      device.publish()
      _ = device.isNotificationDue()
      _ = device.enableNotifications()
      device.disableNotifications()
      // A packed ring's descriptors are where the device reports; all else belongs to the driver (S22, S23, P19).
      #expect(sums(rig, areas) == before)
    }
    #expect(rig.ring.isIntact && rig.payload.isIntact && rig.tables.isIntact)
  }

  private func kind(_ error: QueueError) -> String {
    switch error {
    case .violation: "violation"
    case .fault: "fault"
    default:
      "\(error)"
    }
  }

  private func expectInside(_ rig: Rig, _ chain: DeviceChain, _ segments: [TranslatedSegment]) {
    var bytes: UInt64 = 0
    for segment in segments {
      let start = segment.host.rawValue
      let isInside = rig.memory.regions.contains { region in
        start >= region.hostBase.rawValue
          && start - region.hostBase.rawValue + UInt(segment.byteCount) <= UInt(region.byteCount)
      }
      #expect(isInside)
      bytes += UInt64(segment.byteCount)
    }
    #expect(bytes == chain.readableByteCount + chain.writableByteCount && bytes <= 1 << 32)
    #expect(segments.count == chain.segmentCount)
    if rig.layout == .packed { #expect(Int(chain.descriptorCount) <= rig.configuration.size) }
  }

  /// What the device must not write: payload, tables, driver area, and a split ring's descriptors.
  private func sums(_ rig: Rig, _ areas: [GuestBuffer]) -> [UInt64] {
    let size = rig.configuration.size
    var parts = [
      rig.payload.buffer.slice(at: 0, byteCount: 256), rig.tables.buffer.slice(at: 0, byteCount: 256),
      areas[1].slice(at: 0, byteCount: rig.layout == .split ? 6 + 2 * size : 4),
    ]
    if rig.layout == .split { parts.append(areas[0].slice(at: 0, byteCount: 16 * size)) }
    return parts.map { unsafe cpeer_sum($0.host.pointer.assumingMemoryBound(to: UInt8.self), $0.byteCount) }
  }
}

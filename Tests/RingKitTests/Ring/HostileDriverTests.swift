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
    let targets = [
      areas[0].slice(at: 0, byteCount: 16 * size), areas[1].slice(at: 0, byteCount: 4), rig.payload.buffer,
    ]
    let addresses = [rig.address(0), rig.address(16), rig.payloadEnd, rig.ring.buffer.address.rawValue]
    let device = rig.device
    var held: [DeviceChain] = []
    for _ in 0..<40 {
      scribble(rig, targets, areas, addresses, &random)
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

  private func scribble(
    _ rig: Rig, _ targets: [GuestBuffer], _ areas: [GuestBuffer], _ addresses: [UInt64],
    _ random: inout SeededGenerator
  ) {
    let size = rig.configuration.size
    for _ in 0..<Int(random.next() % 24) {
      let value = Scribbler.word(&random, size: size, addresses: addresses)
      switch random.next() % 8 {
      case 0...4:
        // Mostly whole descriptors that look right, so that the device gets far enough to meet the rest.
        let slot = Int(random.next() % UInt64(size))
        let descriptor = Scribbler(targets[0])
        descriptor.store(addresses[Int(random.next() % 2)], at: 16 * slot)
        if random.next() % 4 == 0 { descriptor.store(value, at: 16 * slot) }
        descriptor.store(plausible(rig, value, &random), at: 16 * slot + 8)
      case 5: Scribbler(rig.payload.buffer).store(value, at: Int(random.next() % 16) * 8)
      case 6: Scribbler(areas[1]).store16(UInt16(truncatingIfNeeded: value), at: 0)
      default: offer(rig, areas, value, &random)
      }
    }
  }

  private func plausible(_ rig: Rig, _ value: UInt64, _ random: inout SeededGenerator) -> UInt64 {
    if random.next() % 4 == 0 { return value }
    let flags = random.next() & 7 & random.next()
    let small = random.next() % 5 * 16
    if rig.layout == .split { return small | flags << 32 | random.next() % UInt64(rig.configuration.size) << 48 }
    let lap: UInt64 = random.next() % 2 == 0 ? 0x80 : 0x8000
    return small | (flags | lap) << 48
  }

  private func offer(_ rig: Rig, _ areas: [GuestBuffer], _ value: UInt64, _ random: inout SeededGenerator) {
    guard rig.layout == .split else { return Scribbler(areas[1]).store16(UInt16(truncatingIfNeeded: value), at: 2) }
    let available = Scribbler(areas[1])
    let size = UInt64(rig.configuration.size)
    let index = available.load16(at: 2)
    available.store16(UInt16(random.next() % size), at: 4 + 2 * Int(UInt64(index) % size))
    available.store16(random.next() % 8 == 0 ? UInt16(truncatingIfNeeded: value) : index &+ 1, at: 2)
    if random.next() % 8 == 0 {
      available.store16(UInt16(truncatingIfNeeded: value), at: 4 + 2 * Int(random.next() % (size + 1)))
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

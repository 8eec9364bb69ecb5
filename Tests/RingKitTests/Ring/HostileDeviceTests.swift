import CPeer
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("A driver whose device writes anything at any time")
struct HostileDeviceTests {
  @Test(
    "never a trap, no completion invented or given twice, no token lost, nothing leaked", arguments: RingLayout.allCases
  )
  func anything(layout: RingLayout) throws {
    var random = SeededGenerator(for: "hostile device, \(layout.rawValue)")
    var tally: [String: Int] = [:]
    for _ in 0..<1500 { try attack(layout, &random, &tally) }
    #expect(tally["completed", default: 0] > 1000)
    #expect(tally["violation", default: 0] > 100)
  }

  private func attack(
    _ layout: RingLayout, _ random: inout SeededGenerator, _ tally: inout [String: Int]
  ) throws {
    var features: VirtioFeatures = []
    for feature in [VirtioFeatures.indirectDescriptors, .inOrder, .eventIndex] where random.next() % 2 == 0 {
      features.insert(feature)
    }
    let size = layout == .split ? 1 << Int(random.next() % 5) : 1 + Int(random.next() % 17)
    let rig = try Rig(layout, .faultInjecting, size: size, features: features)
    let driver = rig.driver
    let ring = try rig.ringMemory
    let payload = unsafe cpeer_sum(rig.payload.buffer.host.pointer.assumingMemoryBound(to: UInt8.self), 256)
    // What a model of the driver knows: capacities of what is in flight and published, and of what was added since.
    var visible: [UInt64: UInt32] = [:]
    var added: [UInt64: UInt32] = [:]
    var token: UInt64 = 0
    for _ in 0..<40 {
      do {
        for _ in 0..<Int(random.next() % 4) {
          let segments = (0..<Int(random.next() % 4) + 1).map { rig.segment(at: 16 * $0, 16) }
          let readable = Int(random.next() % UInt64(segments.count + 1))
          guard segments.count <= size else { continue }
          token += 1
          let result = try driver.add(
            readable: Array(segments[..<readable]), writable: Array(segments[readable...]), token: token)
          if result == .added { added[token] = UInt32(16 * (segments.count - readable)) }
        }
        if random.next() % 4 != 0 {
          driver.publish()
          visible.merge(added) { $1 }
          added = [:]
        }
        _ = driver.isNotificationDue()
        if random.next() % 2 == 0 { _ = driver.enableNotifications() } else { driver.disableNotifications() }
        ring.scribbleAsDevice(&random, address: rig.address(0))
        while let completion = try driver.nextUsed() {
          tally["completed", default: 0] += 1
          let capacity = visible.removeValue(forKey: completion.token)
          #expect(capacity != nil, "token \(completion.token) is not in flight")
          #expect(completion.writtenByteCount <= capacity ?? 0)
        }
        #expect(driver.inFlightCount == visible.count + added.count)
      } catch {
        tally["violation", default: 0] += 1
        guard case .violation = error else {
          Issue.record("\(error)")
          return
        }
        #expect(driver.isBroken)
        #expect(driver.failure { _ = try $0.nextUsed() } == .broken)
        #expect(try driver.reset().sorted() == (Array(visible.keys) + Array(added.keys)).sorted())
        (visible, added) = ([:], [:])
        #expect(rig.plan.outstandingCount == 0 && driver.freeDescriptorCount == size)
      }
    }
    #expect(try driver.reset().sorted() == (Array(visible.keys) + Array(added.keys)).sorted())
    #expect(try rig.audit() == [])
    #expect(unsafe cpeer_sum(rig.payload.buffer.host.pointer.assumingMemoryBound(to: UInt8.self), 256) == payload)
  }
}

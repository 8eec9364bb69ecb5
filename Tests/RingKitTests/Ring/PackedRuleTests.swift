import CPeer
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("Packed ring: the rules, seen in the ring's memory")
struct PackedRuleTests {
  private func list(_ rig: Rig, _ readable: Int, _ writable: Int, token: UInt64 = 1) throws {
    let segments = (0..<readable + writable).map { rig.segment(at: 64 * $0, 40) }
    let result = try rig.driver.add(
      readable: Array(segments[..<readable]), writable: Array(segments[readable...]), token: token)
    #expect(result == .added)
  }

  private func flags(_ view: PackedView) -> [UInt16] { (0..<view.size).map { view[descriptor: $0].flags } }

  @Test("P1: parts at multiples of 16, 4 and 4, or none", arguments: [1, 3, 255])
  func p1(size: Int) throws {
    let rig = try Rig(.packed, size: size)
    let addresses = try PackedRing(in: rig.ring.buffer, size: size).addresses
    #expect(addresses.descriptors.rawValue % 16 == 0)
    #expect(addresses.driverEvent.rawValue % 4 == 0 && addresses.deviceEvent.rawValue % 4 == 0)
    let buffer = rig.ring.buffer
    let good = buffer.slice(at: 2048, byteCount: 2048)
    for (offset, part, alignment) in [(8, 0, 16), (2, 1, 4), (2, 2, 4)] where size == 3 {
      let bad = buffer.slice(at: offset, byteCount: 1024)
      #expect(throws: ConfigurationError.misaligned(bad.address, alignment: alignment)) {
        try PackedRing(
          descriptors: part == 0 ? bad : good, driverEvent: part == 1 ? bad : good,
          deviceEvent: part == 2 ? bad : good, size: size)
      }
    }
  }

  @Test("P2, P3: between available and used the driver leaves a descriptor alone")
  func p2() throws {
    let rig = try Rig(.packed, .faultInjecting, size: 4)
    let view = try rig.packed
    try list(rig, 1, 2)
    rig.driver.publish()
    func bytes() -> [UInt8] { unsafe Array(rig.ring.buffer.bytes[..<48]) }
    let before = bytes()
    // One descriptor is left: a list that does not fit, one that cannot be mapped, and one that fits.
    let two = (0..<2).map { rig.segment(at: 64 * $0, 40) }
    #expect(try rig.driver.add(readable: two, writable: [], token: 2) == .full)
    rig.plan.failingMap = rig.plan.maps + 1
    #expect(rig.driver.failure { _ = try $0.add(two[0], .deviceReadable, token: 2) } != nil)
    #expect(try rig.driver.add(two[0], .deviceReadable, token: 2) == .added)
    rig.driver.publish()
    _ = rig.driver.isNotificationDue()
    _ = rig.driver.enableNotifications()
    #expect(try rig.driver.nextUsed() == nil)
    #expect(bytes() == before)
    #expect(view[descriptor: 3].flags == 0x80)
  }

  @Test("P4: offset and wrap counter of the next descriptor not yet available", arguments: [1, 3, 7])
  func p4(size: Int) throws {
    let rig = try Rig(.packed, size: size)
    for count in 0..<30 {
      let data = rig.driver.notificationData(queue: 2)
      #expect(Int(data >> 16 & 0x7fff) == count % size)
      #expect((data >> 31 == 1) == (count / size % 2 == 0))
      #expect(data & 0xffff == 2)
      try Exchange(rig).run(1)
    }
  }

  @Test("P5: the device bears a notification for nothing, again and again")
  func p5() throws {
    let rig = try Rig(.packed, size: 3)
    try Exchange(rig).offer(1)
    #expect(try rig.device.fetchAll().count == 1)
    for _ in 0..<5 { #expect(try rig.device.fetchAll().isEmpty) }
  }

  @Test("P6, P9: a list fits as a whole or is not begun", arguments: [1, 3, 7])
  func p6(size: Int) throws {
    let rig = try Rig(.packed, size: size)
    let view = try rig.packed
    try Exchange(rig).run(size - 1)
    try list(rig, size, 0)
    #expect(rig.driver.freeDescriptorCount == 0)
    rig.driver.publish()
    #expect(try rig.device.fetch().descriptorCount == UInt16(size))
    let before = flags(view)
    let one = [rig.segment(at: 0, 8)]
    #expect(try rig.driver.add(readable: one, writable: [], token: 3) == .full)
    #expect(flags(view) == before)
  }

  @Test("P7: device-writable elements come after device-readable ones, each with its flags")
  func p7() throws {
    let rig = try Rig(.packed, size: 7)
    try Exchange(rig).run(4)
    try list(rig, 2, 3)
    rig.driver.publish()
    // From offset 4 over the end: the second lap's AVAIL and USED are the other way round.
    #expect(flags(try rig.packed)[4...] == [0x81, 0x81, 0x83])
    #expect(flags(try rig.packed)[..<2] == [0x8003, 0x8002])
  }

  @Test("P8: a list waits for no descriptor to be used: all of it is written when it is published")
  func p8() throws {
    let rig = try Rig(.packed, size: 4)
    try list(rig, 4, 0)
    rig.driver.publish()
    #expect(flags(try rig.packed) == [0x81, 0x81, 0x81, 0x80])
    #expect(try rig.packed[descriptor: 3].id == 0)
  }

  @Test("P10: the first descriptor of a list, and of a batch, becomes available last")
  func p10() throws {
    let rig = try Rig(.packed, size: 8)
    let view = try rig.packed
    try list(rig, 2, 1)
    try list(rig, 1, 1)
    #expect(flags(view) == [0, 0x81, 0x82, 0x81, 0x82, 0, 0, 0])
    #expect(try rig.device.fetchAll().isEmpty)
    rig.driver.publish()
    #expect(flags(view)[0] == 0x81)
    #expect(try rig.device.fetchAll().count == 2)
  }

  @Test("P11: INDIRECT only where it was negotiated", arguments: [false, true])
  func p11(negotiated: Bool) throws {
    let rig = try Rig(.packed, size: 8, features: negotiated ? .indirectDescriptors : [], indirectCapacity: 8)
    try list(rig, 2, 2)
    rig.driver.publish()
    #expect(flags(try rig.packed)[0] == (negotiated ? 0x84 : 0x81))
  }

  @Test("P12, P13, P14: only WRITE inside a table, which is no longer than agreed and stands alone")
  func tables() throws {
    let rig = try Rig(.packed, size: 8, features: .indirectDescriptors, indirectCapacity: 5)
    let view = try rig.packed
    try list(rig, 2, 3)
    rig.driver.publish()
    #expect(view[descriptor: 0].flags == 0x84 && view[descriptor: 0].len == 80)
    #expect(view[descriptor: 1].flags == 0)
    for i in 0..<5 {
      let entry = unsafe rig.tables.buffer.bytes.load(fromByteOffset: 16 * i, as: vring_packed_desc.self)
      #expect(entry.addr == rig.address(64 * i) && entry.len == 40)
      #expect(entry.flags == (i < 2 ? 0 : 2))
    }
    try list(rig, 3, 3)
    rig.driver.publish()
    #expect(flags(view)[1...] == [0x81, 0x81, 0x81, 0x83, 0x83, 0x82, 0])
  }

  @Test("P17, P18, P22: fetched in ring order, used in the order of completion, a list by one descriptor")
  func p17() throws {
    let rig = try Rig(.packed, size: 8)
    let view = try rig.packed
    try list(rig, 2, 1, token: 10)
    try list(rig, 0, 1, token: 11)
    try list(rig, 1, 1, token: 12)
    rig.driver.publish()
    let chains = try rig.device.fetchAll()
    #expect(chains.map(\.descriptorCount) == [3, 1, 2])
    for i in [1, 2, 0] { rig.device.complete(chains[i], written: UInt32(10 + i)) }
    rig.device.publish()
    // Each skips as many descriptors as its buffer had: offsets 0, 1 and 3.
    #expect([0, 1, 3].map { view[descriptor: $0].id } == [chains[1].id, chains[2].id, chains[0].id])
    #expect([0, 1, 3].map { view[descriptor: $0].flags } == [0x8082, 0x8082, 0x8082])
    #expect([0, 1, 3].map { view[descriptor: $0].len } == [11, 12, 10])
    #expect(try rig.driver.reclaim().map(\.token) == [11, 12, 10])
  }

  @Test("P17, P18: in order, one descriptor at the batch's first position names its last buffer")
  func inOrderBatch() throws {
    let rig = try Rig(.packed, size: 8, features: .inOrder)
    let view = try rig.packed
    for token in 0..<3 as Range<UInt64> { try list(rig, 1, 1, token: token) }
    rig.driver.publish()
    let before = flags(view)
    let chains = try rig.device.fetchAll()
    for chain in chains { rig.device.complete(chain, written: 40) }
    #expect(flags(view) == before)
    rig.device.publish()
    #expect(view[descriptor: 0].id == chains[2].id && view[descriptor: 0].flags == 0x8082)
    #expect(Array(flags(view)[1...]) == Array(before[1...]))
    #expect(try rig.driver.reclaim().map(\.token) == [0, 1, 2])
  }

  @Test(
    "P20: a descriptor whose AVAIL did not change is not taken, whatever else stands there",
    arguments: [0, 0x8080, 0x8000, 0x8007])
  func p20(flags: Int) throws {
    let rig = try Rig(.packed, size: 3)
    try rig.packed[descriptor: 0] = vring_packed_desc(addr: rig.address(0), len: 8, id: 0, flags: UInt16(flags))
    #expect(try rig.device.fetchAll().isEmpty)
    #expect(!rig.device.enableNotifications())
  }

  @Test("P21: after USED the device leaves a descriptor alone")
  func p21() throws {
    let rig = try Rig(.packed, size: 4)
    try Exchange(rig).offer(4)
    try Exchange(rig).serve(2)
    func bytes() -> [UInt8] { unsafe Array(rig.ring.buffer.bytes[..<32]) }
    let before = bytes()
    try Exchange(rig).serve(2)
    #expect(try rig.device.fetchAll().isEmpty)
    _ = rig.device.isNotificationDue()
    _ = rig.device.enableNotifications()
    #expect(bytes() == before)
  }

  @Test("P23: an element in more ranges than the device keeps is refused", arguments: RingLayout.allCases)
  func p23(layout: RingLayout) throws {
    // 80 regions that follow each other for the guest. Ever lower in this process, they cannot be joined.
    var regions: [MemoryRegion] = []
    for i in 0..<80 {
      regions.append(try MemoryRegion(at: GuestPhysicalAddress(UInt64(0x4000_0000 + 4096 * i)), byteCount: 4096))
    }
    let rig = try Rig(layout, size: 4)
    let memory = try GuestMemory(regions + [rig.ring.buffer.region])
    let configuration = rig.configuration
    let translator = RegionTranslator(memory: memory, counter: UncountedWork())
    let device: DeviceEnd
    switch layout {
    case .split:
      device = DeviceBox(
        try SplitDeviceQueue(configuration, ring: SplitRing(in: rig.ring.buffer, size: 4), translator: translator))
    case .packed:
      device = DeviceBox(
        try PackedDeviceQueue(configuration, ring: PackedRing(in: rig.ring.buffer, size: 4), translator: translator))
    }
    for (pages, isFetched) in [(64, true), (65, false)] {
      device.reset()
      _ = try rig.driver.reset()
      let segment = MemorySegment(GuestPhysicalAddress(0x4000_0000), length: UInt32(4096 * pages))
      #expect(try rig.driver.add(segment, .deviceReadable, token: 1) == .added)
      rig.driver.publish()
      if isFetched {
        #expect(try device.fetch().segmentCount == pages)
      } else {
        #expect(device.failure() == .violation(violation(layout == .split ? .s8 : .p6, .count, 64, limit: 64)))
      }
    }
  }
}

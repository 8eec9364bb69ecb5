internal import RingKit

private let next = RawDescriptor.next
private let write = RawDescriptor.write
private let indirect = RawDescriptor.indirect

private func entry(_ length: UInt32, _ flags: UInt16 = 0, next: UInt16 = 0) -> RawDescriptor {
  RawDescriptor(0, length, flags: flags, link: next)
}

private func broken(
  _ rule: RingRule, _ field: RingViolation.Field, _ value: some BinaryInteger, limit: some BinaryInteger
) -> RingViolation { RingViolation(rule, field, UInt64(value), limit: UInt64(limit)) }

private func broken(
  _ rule: RingRule, _ field: RingViolation.Field, _ value: some BinaryInteger
) -> RingViolation { RingViolation(rule, field, UInt64(value)) }

extension Lie where Stage == DriverStage {
  /// What a driver can do to a device, on a split or a packed ring.
  package static func all(isPacked: Bool) -> [Self] {
    (isPacked ? packed : splitChains + splitTables + splitIndices) + faults
  }

  private static var splitIndices: [Self] {
    [
      Lie("S4: a head outside the table") { stage in
        let head = stage.size + stage.variation % (65_536 - stage.size)
        stage.ring.offer(UInt16(head))
        return broken(.s4, .identifier, head, limit: stage.size)
      },
      Lie("S11: the available index is further ahead than the ring is long") { stage in
        let index = stage.index &+ UInt16(stage.size + 1 + stage.variation % (65_535 - stage.size))
        stage.ring.availableIndex = index
        return broken(.s11, .index, index, limit: stage.size)
      },
      Lie("S11: the available index goes back by one") { stage in
        stage.ring.availableIndex = stage.index &- 1
        return broken(.s11, .index, stage.index &- 1, limit: stage.size)
      },
    ]
  }

  private static var splitChains: [Self] {
    [
      Lie("S2: a readable descriptor behind a writable one") { stage in
        stage.put(0, 16, flags: write | next, next: 1)
        stage.put(1, 16)
        stage.ring.offer(0)
        return broken(.s2, .flags, 0)
      },
      Lie("S4: next outside the table") { stage in
        let outside = stage.size + stage.variation % (65_536 - stage.size)
        stage.put(2, 16, flags: next, next: outside)
        stage.ring.offer(2)
        return broken(.s4, .identifier, outside, limit: stage.size)
      },
      Lie("S4: a loop of two") { stage in
        stage.put(0, 16, flags: next, next: 1)
        stage.put(1, 16, flags: next, next: 0)
        stage.ring.offer(0)
        return broken(.s4, .count, stage.size + 1, limit: stage.size)
      },
      Lie("S4: a descriptor that leads to itself") { stage in
        stage.put(3, 16, flags: next, next: 3)
        stage.ring.offer(3)
        return broken(.s4, .count, stage.size + 1, limit: stage.size)
      },
      Lie("S4: one byte more than 2^32 in all") { stage in
        stage.put(0, 2, flags: next, next: 1)
        stage.put(1, 0xffff_ffff)
        stage.ring.offer(0)
        return broken(.s4, .length, UInt64(1) << 32 + 1, limit: UInt64(1) << 32)
      },
      Lie("S5: next skips a descriptor", .inOrder) { stage in
        stage.put(0, 16, flags: next, next: 2)
        stage.ring.offer(0)
        return broken(.s5, .identifier, 2, limit: 1)
      },
      Lie("S5: next of the last descriptor is not 0", .inOrder) { stage in
        stage.put(stage.size - 1, 16, flags: next, next: 1)
        stage.ring.offer(UInt16(stage.size - 1))
        return broken(.s5, .identifier, 1, limit: 0)
      },
      Lie("S6: INDIRECT without the feature") { stage in
        stage.offer(16, flags: indirect, at: stage.readable)
        return broken(.s6, .flags, 4)
      },
      Lie("S9: INDIRECT with NEXT", .indirectDescriptors) { stage in
        stage.offer(16, flags: indirect | next, at: stage.readable)
        return broken(.s9, .flags, 5)
      },
    ]
  }

  private static var splitTables: [Self] {
    [
      Lie(
        "S4: a table entry's next outside the table", .indirectDescriptors,
        table: [entry(16, next, next: 2), entry(16)]
      ) { stage in
        stage.offer(32, flags: indirect, at: stage.table)
        return broken(.s4, .identifier, 2, limit: 2)
      },
      Lie("S7: a table inside a table", .indirectDescriptors, table: [entry(16, indirect)]) { stage in
        stage.offer(16, flags: indirect, at: stage.table)
        return broken(.s7, .flags, 4)
      },
      Lie(
        "S8: a loop inside a table", .indirectDescriptors, table: [entry(16, next, next: 1), entry(16, next)]
      ) { stage in
        stage.offer(32, flags: indirect, at: stage.table)
        return broken(.s8, .count, stage.size + 1, limit: stage.size)
      },
      Lie("S8: an empty table", .indirectDescriptors) { stage in
        stage.offer(0, flags: indirect, at: stage.readable)
        return broken(.s8, .length, 0, limit: 16)
      },
      Lie("S8: a table that ends in the middle of an entry", .indirectDescriptors) { stage in
        let length = 17 + stage.variation % 15
        stage.offer(UInt32(length), flags: indirect, at: stage.readable)
        return broken(.s8, .length, length, limit: 16)
      },
      Lie("S8: a table longer than the queue", .indirectDescriptors) { stage in
        stage.offer(UInt32(16 * (stage.size + 1)), flags: indirect, at: stage.readable)
        return broken(.s8, .count, stage.size + 1, limit: stage.size)
      },
      Lie(
        "S8: a chain and its table longer than the queue", .indirectDescriptors,
        table: [entry(16, next, next: 1), entry(16)]
      ) { stage in
        for slot in 0..<stage.size - 1 { stage.put(slot, 16, flags: next, next: slot + 1) }
        stage.put(stage.size - 1, 32, flags: indirect, at: stage.table)
        stage.ring.offer(0)
        return broken(.s8, .count, stage.size + 1, limit: stage.size)
      },
      Lie(
        "S10: entries of a table out of sequence", [.indirectDescriptors, .inOrder],
        table: [entry(16, next, next: 2), entry(16), entry(16)]
      ) { stage in
        stage.offer(48, flags: indirect, at: stage.table)
        return broken(.s10, .identifier, 2, limit: 1)
      },
    ]
  }

  private static var packed: [Self] {
    [
      Lie("P6: a list longer than the queue") { stage in
        for offset in (0..<stage.size).reversed() { stage.put(packed: offset, 16, flags: next) }
        return broken(.p6, .count, stage.size + 1, limit: stage.size)
      },
      Lie("P6: one byte more than 2^32 in all") { stage in
        stage.put(packed: 1, 0xffff_ffff)
        stage.put(packed: 0, 2, flags: next)
        return broken(.p6, .length, UInt64(1) << 32 + 1, limit: UInt64(1) << 32)
      },
      Lie("P7: a readable descriptor behind a writable one") { stage in
        stage.put(packed: 1, 16)
        stage.put(packed: 0, 16, flags: next | write)
        return broken(.p7, .flags, 0)
      },
      Lie("P10: the rest of a list is not available") { stage in
        stage.put(packed: 0, 16, flags: next)
        return broken(.p10, .flags, stage.ring[(stage.position + 1) % stage.size].flags)
      },
      Lie("P11: INDIRECT without the feature") { stage in
        stage.offer(16, flags: indirect, at: stage.readable)
        return broken(.p11, .flags, stage.flags(packed: 0, indirect))
      },
      Lie("P12: a table inside a table", .indirectDescriptors, table: [entry(16), entry(16, indirect)]) { stage in
        stage.offer(32, flags: indirect, at: stage.table)
        return broken(.p12, .flags, 4)
      },
      Lie("P13: an empty table", .indirectDescriptors) { stage in
        stage.offer(0, flags: indirect, at: stage.readable)
        return broken(.p13, .length, 0, limit: 16)
      },
      Lie("P13: a table that ends in the middle of an entry", .indirectDescriptors) { stage in
        let length = 17 + stage.variation % 15
        stage.offer(UInt32(length), flags: indirect, at: stage.readable)
        return broken(.p13, .length, length, limit: 16)
      },
      Lie("P13: a table longer than the queue", .indirectDescriptors) { stage in
        stage.offer(UInt32(16 * (stage.size + 1)), flags: indirect, at: stage.readable)
        return broken(.p13, .count, stage.size + 1, limit: stage.size)
      },
      Lie("P14: INDIRECT with NEXT", .indirectDescriptors) { stage in
        stage.offer(16, flags: indirect | next, at: stage.readable)
        return broken(.p14, .flags, stage.flags(packed: 0, indirect | next))
      },
      Lie("P14: INDIRECT at the end of a list", .indirectDescriptors) { stage in
        stage.put(packed: 1, 16, flags: indirect)
        stage.put(packed: 0, 16, flags: next)
        return broken(.p14, .flags, stage.flags(packed: 1, indirect))
      },
    ]
  }

  /// Addresses that lead nowhere; the fault is the one of a look-up among regions, and depends on the path.
  private static var faults: [Self] {
    [
      Lie(
        "a descriptor at address 0",
        expecting: { stage in
          stage.offer(16, at: 0)
          return .fault(.outOfBounds(IOVA(0), byteCount: 16))
        }),
      Lie(
        "a descriptor at the last bytes of the address space and more",
        expecting: { stage in
          stage.offer(16, at: .max - 7)
          return .fault(.addressOverflow(IOVA(.max - 7), byteCount: 16))
        }),
      Lie(
        "a descriptor at the last bytes of the address space",
        expecting: { stage in
          stage.offer(16, at: .max - 15)
          return .fault(.outOfBounds(IOVA(.max - 15), byteCount: 16))
        }),
      Lie(
        "a descriptor of 4 GiB that ends beyond 2^64",
        expecting: { stage in
          stage.offer(0xffff_ffff, at: .max - 0xffff_fffd)
          return .fault(.addressOverflow(IOVA(.max - 0xffff_fffd), byteCount: 0xffff_ffff))
        }),
      Lie(
        "a descriptor at the end of a region and more",
        expecting: { stage in
          stage.offer(16, at: stage.end - 8)
          return .fault(.outOfBounds(IOVA(stage.end), byteCount: 8))
        }),
      Lie(
        "a table at address 0", .indirectDescriptors,
        expecting: { stage in
          stage.offer(32, flags: indirect, at: 0)
          return .fault(.outOfBounds(IOVA(0), byteCount: 32))
        }),
      Lie(
        "a table at the last bytes of the address space and more", .indirectDescriptors,
        expecting: { stage in
          stage.offer(32, flags: indirect, at: .max - 15)
          return .fault(.addressOverflow(IOVA(.max - 15), byteCount: 32))
        }),
    ]
  }
}

extension Lie where Stage == DeviceStage {
  /// What a device can do to a driver, on a split or a packed ring.
  package static func all(isPacked: Bool) -> [Self] { isPacked ? packed : split }

  private static var split: [Self] {
    [
      Lie("S27: the used index is further ahead than what is in flight") { stage in
        let count = stage.inFlight.count
        let index = stage.index &+ UInt16(count + 1 + stage.variation % (65_535 - count))
        stage.ring.usedIndex = index
        return broken(.s27, .index, index, limit: count)
      },
      Lie("S27: an id outside the table") { stage in
        let id = UInt32(stage.ring.size) + UInt32(truncatingIfNeeded: stage.variation) % 0x10_0000
        stage.use(id: id)
        stage.ring.usedIndex = stage.index &+ 1
        return broken(.s27, .identifier, id, limit: stage.ring.size)
      },
      Lie("S27: an id that is not in flight") { notInFlight($0) },
      Lie("S27: the same id twice") { twice($0) },
      Lie("S28: more is written than the buffer can take") { stage in
        let buffer = stage.inFlight[0]
        let length = tooLong(buffer.capacity, stage.variation)
        stage.use(id: UInt32(buffer.id), length: length)
        stage.ring.usedIndex = stage.index &+ 1
        return broken(.s28, .length, length, limit: buffer.capacity)
      },
      Lie("S27: in order, an id further ahead than the used index says", .inOrder) { stage in
        guard stage.inFlight.count > 1 else { return notInFlight(stage) }
        let id = stage.inFlight[1].id
        stage.use(id: UInt32(id))
        stage.ring.usedIndex = stage.index &+ 1
        return broken(.s27, .identifier, id, limit: 1)
      },
    ]
  }

  private static var packed: [Self] {
    [
      Lie("P18: an id outside the ring") { stage in
        let id = stage.ring.size + stage.variation % (65_536 - stage.ring.size)
        stage.use(id: UInt32(id))
        return broken(.p18, .identifier, id, limit: stage.ring.size)
      },
      Lie("P18: in order, an id outside the ring", .inOrder) { stage in
        let id = stage.ring.size + stage.variation % (65_536 - stage.ring.size)
        stage.use(id: UInt32(id))
        return broken(.p18, .identifier, id, limit: stage.ring.size)
      },
      Lie("P18: an id that is not in flight") { notInFlight($0) },
      Lie("P18: in order, an id that is not in flight", .inOrder) { notInFlight($0) },
      Lie("P18: the same id twice") { twice($0) },
      Lie("P21: more is written than the buffer can take") { stage in
        let buffer = stage.inFlight[0]
        let length = tooLong(buffer.capacity, stage.variation)
        stage.use(id: UInt32(buffer.id), length: length)
        return broken(.p21, .length, length, limit: buffer.capacity)
      },
    ]
  }

  private static func tooLong(_ capacity: UInt32, _ variation: Int) -> UInt32 {
    capacity + 1 + UInt32(variation % 1000)
  }

  private static func rule(_ stage: DeviceStage) -> RingRule { stage.ring.isPacked ? .p18 : .s27 }

  /// Where each id is in flight the same is told by naming one twice.
  private static func notInFlight(_ stage: DeviceStage) -> RingViolation {
    guard let id = stage.idle else { return twice(stage) }
    stage.use(id: UInt32(id))
    stage.moveUsedIndex(1)
    return broken(stage.ring.isPacked ? .p18 : .s27, .notInFlight, id)
  }

  /// Where a single buffer is in flight a driver does not look for a second one, so another id is named.
  private static func twice(_ stage: DeviceStage) -> RingViolation {
    guard stage.inFlight.count > 1 else { return notInFlight(stage) }
    let buffer = stage.inFlight[0]
    stage.use(stage.ring.isPacked ? buffer.descriptors.count : 1, id: UInt32(buffer.id))
    stage.use(id: UInt32(buffer.id))
    stage.moveUsedIndex(2)
    return broken(stage.ring.isPacked ? .p18 : .s27, .notInFlight, buffer.id)
  }
}

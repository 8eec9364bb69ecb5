internal import RingKit

private let next = RawDescriptor.next
private let write = RawDescriptor.write
private let indirect = RawDescriptor.indirect
private let tables: VirtioFeatures = .indirectDescriptors

extension ObservedQueue {
  /// The driver's rules, by what is looked at.
  static var driverChecks: [QueueCheck<Layout>] {
    [
      QueueCheck(.s2, .p7, with: [[], tables]) { try $0.writableLast() },
      QueueCheck(.s3, nil, with: [[], tables]) { try $0.fewDescriptors() },
      QueueCheck(.s4, nil, with: [[], .inOrder]) { try $0.boundedChain() },
      QueueCheck(.s5, nil, with: [.inOrder]) { try $0.followingDescriptors() },
      QueueCheck(.s6, .p11, with: [[], .inOrder]) { try $0.noTables() },
      QueueCheck(.s7, nil, with: [tables]) { try $0.tableEntries(allowing: next | write) },
      QueueCheck(nil, .p12, with: [tables]) { try $0.tableEntries(allowing: write) },
      QueueCheck(.s8, .p6, with: [[]]) { try $0.noLongerThanTheQueue() },
      QueueCheck(.s8, .p13, with: [tables]) { try $0.noLongerThanTheQueue() },
      QueueCheck(.s9, .p14, with: [tables]) { try $0.tablesStandAlone() },
      QueueCheck(.s10, nil, with: [[.inOrder, .indirectDescriptors]]) { try $0.followingEntries() },
      QueueCheck(.s11, nil, with: [[], .inOrder]) { try $0.availableIndex() },
      QueueCheck(.s12, nil) { try $0.availableFlags(atMost: 1) },
      QueueCheck(.s13, nil, with: [.eventIndex]) { try $0.usedEvent() },
      QueueCheck(.s14, nil) { try $0.nothingUsed() },
      QueueCheck(.s15, .p21, with: [[], tables]) { try $0.usedLengthIsHandedOn() },
      QueueCheck(.s16, nil) { try $0.usedFlagsStart() },
      QueueCheck(.s17, nil) { try $0.driverFlagDecides() },
      QueueCheck(.s18, nil, with: [.eventIndex]) { try $0.driverEventDecides() },
      QueueCheck(nil, .p2, .p3) { try $0.availableIsLeftAlone() },
      QueueCheck(nil, .p4) { try $0.notificationData() },
      QueueCheck(nil, .p8) { try $0.wholeRingAtOnce() },
      QueueCheck(nil, .p9) { try $0.allOrNothing() },
      QueueCheck(nil, .p10, with: [[], .inOrder]) { try $0.firstIsLast() },
    ]
  }

  private mutating func writableLast() throws {
    for (readable, writable) in Self.shapes {
      let found = try elements(try offer(readable, writable)).all.map { $0.flags & write != 0 }
      let wanted = (0..<readable + writable).map { $0 >= readable }
      try expect(found == wanted, "of \(readable) readable and \(writable) writable elements WRITE is set as \(found)")
      try finish()
    }
  }

  private mutating func fewDescriptors() throws {
    for (readable, writable) in Self.shapes {
      let chain = try offer(readable, writable)
      let needed = readable + writable
      let taken = max(chain.descriptors.count, size - queue.driver.freeDescriptorCount)
      try expect(taken <= needed, "a buffer of \(needed) segments takes \(taken) descriptors")
      try finish()
    }
  }

  private mutating func boundedChain() throws {
    for (readable, writable) in Self.shapes {
      let chain = try offer(readable, writable)
      try expect(chain.descriptors.count <= size, "a chain comes back to itself")
      try finish()
    }
    let huge = [MemorySegment(payload.address, length: .max)]
    do throws(QueueError) { _ = try queue.driver.add(readable: huge.span, writable: huge.span, token: 1) } catch {
      return
    }
    throw Seen("a chain of 2^33 - 2 bytes is taken")
  }

  private mutating func followingDescriptors() throws {
    for _ in 0..<3 {
      for (readable, writable) in Self.shapes {
        let chain = try offer(readable, writable)
        var slot = chain.id
        for descriptor in chain.descriptors where descriptor.flags & next != 0 {
          let following = (Int(slot) + 1) % size
          try expect(Int(descriptor.link) == following, "next of descriptor \(slot) is \(descriptor.link)")
          slot = descriptor.link
        }
        try finish()
      }
    }
  }

  private mutating func noTables() throws {
    for (readable, writable) in Self.shapes {
      let chain = try offer(readable, writable)
      try expect(chain.descriptors.allSatisfy { $0.flags & indirect == 0 }, "a descriptor has INDIRECT")
      try finish()
    }
  }

  private mutating func tableEntries(allowing flags: UInt16) throws {
    for (readable, writable) in Self.shapes {
      for entry in try elements(try offer(readable, writable)).tables.joined() {
        try expect(entry.flags & ~flags == 0, "an entry of a table has the flags 0x\(String(entry.flags, radix: 16))")
      }
      try finish()
    }
  }

  private mutating func noLongerThanTheQueue() throws {
    let chain = try offer(size - 1, 1)
    let (all, found) = try elements(chain)
    try expect(all.count == size, "a buffer of \(size) segments has \(all.count) elements")
    for descriptor in chain.descriptors where descriptor.flags & indirect != 0 {
      try expect(descriptor.length % 16 == 0, "a table has \(descriptor.length) bytes")
    }
    let longest = found.map(\.count).max() ?? 0
    try expect(longest <= size, "a table of \(longest) entries in a queue of \(size)")
    try finish()
    let segments = (0...size).map { segment($0 % 32, 16) }
    let none: [MemorySegment] = []
    do throws(QueueError) { _ = try queue.driver.add(readable: segments.span, writable: none.span, token: 1) } catch {
      return
    }
    throw Seen("a buffer of \(size + 1) segments is taken by a queue of \(size)")
  }

  private mutating func tablesStandAlone() throws {
    for (readable, writable) in Self.shapes {
      let chain = try offer(readable, writable)
      for descriptor in chain.descriptors where descriptor.flags & indirect != 0 {
        try expect(descriptor.flags & next == 0, "a descriptor has INDIRECT and NEXT")
        try expect(!ring.isPacked || chain.descriptors.count == 1, "a table stands in a list")
      }
      try finish()
    }
  }

  private mutating func followingEntries() throws {
    for (readable, writable) in Self.shapes {
      for table in try elements(try offer(readable, writable)).tables {
        for (i, entry) in table.enumerated() where entry.flags & next != 0 {
          try expect(Int(entry.link) == i + 1, "next of entry \(i) of a table is \(entry.link)")
        }
      }
      try finish()
    }
  }

  /// Over the index's end, with as many buffers at a time as the ring takes.
  private mutating func availableIndex() throws {
    let segment = segment(0, 16)
    var published = 0
    while published < 65_536 + 2 * size {
      let count = 1 + published % size
      let added = try queue.driver.add(atMost: count, .deviceReadable) { (segment: segment, token: UInt64($0)) }
      try expect(ring.availableIndex == UInt16(truncatingIfNeeded: published), "the index moves before a publish")
      queue.driver.publish()
      published += added
      let wanted = UInt16(truncatingIfNeeded: published)
      try expect(
        added == count && ring.availableIndex == wanted,
        "after \(published) buffers the index is \(ring.availableIndex)"
      )
      _ = try serveAll { _, _ in 0 }
      guard try queue.driver.reclaim(atMost: size) == count else { throw Unable("\(count) buffers do not come back") }
    }
  }

  private mutating func availableFlags(atMost limit: UInt16) throws {
    for _ in 0..<3 {
      queue.driver.disableNotifications()
      try expect(ring.availableFlags <= limit, "the available flags are \(ring.availableFlags)")
      _ = queue.driver.enableNotifications()
      try expect(ring.availableFlags <= limit, "the available flags are \(ring.availableFlags)")
      _ = try offer(1, 0)
      try expect(ring.availableFlags <= limit, "the available flags are \(ring.availableFlags)")
      try finish()
    }
  }

  private mutating func usedEvent() throws {
    for round in 0..<5 as Range<UInt16> {
      queue.driver.disableNotifications()
      try expect(ring.availableFlags == 0, "the available flags are \(ring.availableFlags)")
      _ = queue.driver.enableNotifications()
      try expect(ring.availableFlags == 0, "the available flags are \(ring.availableFlags)")
      try expect(ring.usedEvent == round, "used_event is \(ring.usedEvent) where used entry \(round) is awaited")
      _ = try offer(1, 0)
      try finish()
    }
  }

  private mutating func nothingUsed() throws {
    _ = try offer(1, 1)
    for _ in 0..<3 {
      guard try queue.driver.nextUsed() == nil, try queue.driver.reclaim(atMost: 4) == 0 else {
        throw Seen("a buffer comes back that the device did not use")
      }
      _ = queue.driver.enableNotifications()
    }
  }

  private mutating func usedLengthIsHandedOn() throws {
    for (readable, writable, written) in [(1, 0, 0), (0, 1, 5), (1, 3, 0), (2, 3, 100), (0, 4, 256)] {
      let token = try add(
        readable: [Int](repeating: 64, count: readable), writable: [Int](repeating: 64, count: writable))
      queue.driver.publish()
      let chain = try fetch()
      try complete(chain, written: UInt32(written))
      queue.device.publish()
      let said = usedLength
      guard said == written else { throw Unable("the device says that it wrote \(said) bytes of \(written)") }
      guard let done = try queue.driver.nextUsed() else { throw Unable("a completed buffer does not come back") }
      position += ring.isPacked ? Int(chain.descriptorCount) : 1
      try expect(
        done == Completion(token: token, writtenByteCount: UInt32(written)),
        "buffer \(token) with \(written) bytes written comes back as \(done.token) with \(done.writtenByteCount)")
    }
  }

  /// What the used entry or descriptor at the position says was written.
  var usedLength: UInt32 {
    guard ring.isPacked else { return ring.usedEntry(at: UInt16(truncatingIfNeeded: position)).length }
    let used = ring[position % size]
    return used.flags & write != 0 ? used.length : 0
  }

  private mutating func usedFlagsStart() throws {
    try expect(ring.usedFlags == 0, "the used flags start at \(ring.usedFlags)")
    try expect(ring.usedIndex == 0, "the used index starts at \(ring.usedIndex)")
  }

  private mutating func isDue(afterPublishing count: Int) throws -> Bool {
    for _ in 0..<count { try add(readable: [16], writable: []) }
    queue.driver.publish()
    return queue.driver.isNotificationDue()
  }

  private mutating func driverFlagDecides() throws {
    for (flag, event) in [(0, 0), (1, 0), (1, 2), (0, 9)] as [(UInt16, UInt16)] {
      (ring.usedFlags, ring.availableEvent) = (flag, event)
      try expect(
        try isDue(afterPublishing: 1) == (flag == 0),
        "with the used flags \(flag) and avail_event \(event) it is not so")
    }
  }

  private mutating func driverEventDecides() throws {
    // Entries published, the event before, and whether it is among them.
    var index: UInt16 = 0
    for (count, ahead, isDue) in [(1, 0, true), (1, 1, false), (3, 2, true), (2, 2, false), (1, 0xffff, false)] {
      ring.availableEvent = index &+ UInt16(ahead)
      // Means nothing with EVENT_IDX.
      ring.usedFlags = 1
      try expect(
        try self.isDue(afterPublishing: count) == isDue,
        "\(count) entries from \(index) on, avail_event \(ring.availableEvent): \(isDue ? "no" : "a") notification")
      index &+= UInt16(count)
    }
  }

  private mutating func availableIsLeftAlone() throws {
    let chain = try offer(2, 3)
    let count = chain.descriptors.count
    let before = Array(ring.entries[..<count])
    let many = (0..<size).map { segment($0, 16) }
    let none: [MemorySegment] = []
    _ = try queue.driver.add(readable: many.span, writable: none.span, token: 1)
    _ = try queue.driver.add(many[0], .deviceReadable, token: 2)
    queue.driver.publish()
    _ = queue.driver.isNotificationDue()
    _ = queue.driver.enableNotifications()
    _ = try queue.driver.nextUsed()
    try expect(Array(ring.entries[..<count]) == before, "a descriptor changed between available and used")
  }

  private mutating func notificationData() throws {
    for _ in 0..<3 * size {
      let data = queue.driver.notificationData(queue: 5)
      try expect(
        data == 5 | UInt32(position % size) << 16 | (ring.wrap(at: position) ? 1 << 31 : 0),
        "at descriptor \(position) of a ring of \(size) the data is 0x\(String(data, radix: 16))")
      _ = try offer(1, 0)
      try finish()
    }
  }

  private mutating func wholeRingAtOnce() throws {
    for _ in 0..<3 {
      let chain = try offer(size, 0)
      try expect(chain.descriptors.count == size, "of a list of \(size) only \(chain.descriptors.count) are available")
      try finish()
    }
  }

  private mutating func allOrNothing() throws {
    _ = try offer(1, 0)
    let before = ring.entries
    let many = (0..<size).map { segment($0, 16) }
    let none: [MemorySegment] = []
    let result = try queue.driver.add(readable: many.span, writable: none.span, token: 1)
    try expect(result == .full, "a list of \(size) is taken where \(size - 1) descriptors are free")
    queue.driver.publish()
    try expect(ring.entries == before, "a list that does not fit was begun")
  }

  private mutating func firstIsLast() throws {
    for _ in 0..<size {
      try add(readable: [16], writable: [16, 16])
      try expect(chains.isEmpty, "a list is available before it is published")
      queue.driver.publish()
      try expect(chains.count == 1, "a published list is not available")
      try finish()
    }
  }
}

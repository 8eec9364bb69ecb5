internal import RingKit

private let next = RawDescriptor.next
private let write = RawDescriptor.write
private let indirect = RawDescriptor.indirect

extension ObservedQueue {
  /// The device's rules, by what is looked at.
  static var deviceChecks: [QueueCheck<Layout>] {
    let tables: VirtioFeatures = .indirectDescriptors
    return [
      QueueCheck(.s21, nil, with: [[], tables]) { try $0.everyCut() },
      QueueCheck(.s22, .p19, with: [[], tables]) { try $0.accessIsTold() },
      QueueCheck(.s23, nil, with: [[], .eventIndex]) { try $0.driverAreaIsLeftAlone() },
      QueueCheck(.s24, nil, with: [tables]) { try $0.writeOnATable() },
      QueueCheck(.s25, nil, with: [tables]) { try $0.chainIntoATable() },
      QueueCheck(.s26, nil) { try $0.deviceFlagDecides() },
      QueueCheck(.s26, nil, with: [.eventIndex]) { try $0.deviceEventDecides() },
      QueueCheck(.s27, .p18) { try $0.usedInOrderOfCompletion([2, 0, 3, 1]) },
      QueueCheck(.s27, .p18, with: [.inOrder]) { try $0.usedInOrder() },
      QueueCheck(.s28, .p21, with: [[], .inOrder]) { try $0.usedLengthIsTheWritten() },
      QueueCheck(.s29, nil) { try $0.usedFlags(atMost: 1) },
      QueueCheck(.s29, nil, with: [.eventIndex]) { try $0.usedFlags(atMost: 0) },
      QueueCheck(.s30, .p5) { try $0.nothingAvailable() },
      QueueCheck(nil, .p17, with: [[], .inOrder]) { try $0.fetchedInRingOrder() },
      QueueCheck(nil, .p20) { try $0.unchangedIsNotTaken() },
      QueueCheck(nil, .p21) { try $0.usedIsLeftAlone() },
      QueueCheck(nil, .p22) { try $0.oneForAList() },
    ]
  }

  /// A copy of the readable bytes of the chain that was fetched last.
  private func readableBytes() -> [UInt8] { Self.copy(queue.device) }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ device: borrowing Layout.Device) -> [UInt8] {
    let span = device.segments
    var all: [UInt8] = []
    // SAFETY: a segment of the chain that is being served.
    for i in span.indices where span[i].access == .deviceReadable { unsafe all.append(contentsOf: span[i].bytes) }
    return all
  }

  private static func accesses(_ device: borrowing Layout.Device) -> [(access: DMADirection, byteCount: Int)] {
    let span = device.segments
    return span.indices.map { (span[$0].access, span[$0].byteCount) }
  }

  private mutating func everyCut() throws {
    for cut in [[60], [1, 59], [59, 1], [20, 20, 20], [1, 1, 1, 57]] {
      var sent: [UInt8] = []
      for (slot, length) in cut.enumerated() {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: sent.count + $0) }
        payload.copyIn(bytes, at: slot * Self.slotByteCount)
        sent += bytes
      }
      try add(readable: cut, writable: [])
      queue.driver.publish()
      let chain = try fetch()
      let found = readableBytes()
      try expect(found == sent && chain.readableByteCount == 60, "60 bytes in segments of \(cut) are others")
      queue.device.complete(chain, written: 0)
      queue.device.publish()
      guard try queue.driver.nextUsed() != nil else { throw Unable("a completed buffer does not come back") }
      position += ring.isPacked ? Int(chain.descriptorCount) : 1
    }
  }

  private mutating func accessIsTold() throws {
    for (readable, writable) in Self.shapes {
      _ = try offer(readable, writable)
      let chain = try fetch()
      let found = Self.accesses(queue.device)
      let read = found.filter { $0.access == .deviceReadable }.reduce(0) { $0 + $1.byteCount }
      let written = found.filter { $0.access == .deviceWritable }.reduce(0) { $0 + $1.byteCount }
      try expect(
        (read, written) == (64 * readable, 64 * writable)
          && (chain.readableByteCount, chain.writableByteCount) == (UInt64(read), UInt64(written)),
        "of \(64 * readable) readable and \(64 * writable) writable bytes \(read) may be read and \(written) written")
      queue.device.complete(chain, written: 0)
      queue.device.publish()
      guard try queue.driver.nextUsed() != nil else { throw Unable("a completed buffer does not come back") }
      position += ring.isPacked ? Int(chain.descriptorCount) : 1
    }
  }

  private mutating func driverAreaIsLeftAlone() throws {
    for _ in 0..<3 {
      let chain = try offer(2, 1)
      let before = (ring.descriptors.copyOut(), ring.driverArea.copyOut())
      let fetched = try fetch()
      try complete(fetched, written: 64)
      queue.device.publish()
      _ = queue.device.isNotificationDue()
      _ = queue.device.enableNotifications()
      queue.device.disableNotifications()
      try expect(before.0 == ring.descriptors.copyOut(), "the device wrote a descriptor (buffer \(chain.id))")
      try expect(before.1 == ring.driverArea.copyOut(), "the device wrote the available ring")
      guard try queue.driver.nextUsed() != nil else { throw Unable("a completed buffer does not come back") }
      position += 1
    }
  }

  private mutating func writeOnATable() throws {
    try add(readable: [64], writable: [64])
    queue.driver.publish()
    guard let chain = ring.chain(at: position), chain.descriptors[0].flags & indirect != 0 else {
      throw Unable("the driver writes no table for two segments")
    }
    ring[Int(chain.id)].flags |= write
    let fetched = try fetch()
    try expect(
      fetched.readableByteCount == 64 && fetched.writableByteCount == 64,
      "with WRITE beside INDIRECT \(fetched.readableByteCount) bytes may be read, \(fetched.writableByteCount) written")
  }

  private mutating func chainIntoATable() throws {
    let (one, two) = ([segment(0, 32)], [segment(1, 64), segment(2, 64)])
    let none: [MemorySegment] = []
    let first = try slotWritten { queue throws(QueueError) in
      try queue.driver.add(readable: one.span, writable: none.span, token: 0)
    }
    var head = ring[first]
    let table = try slotWritten { queue throws(QueueError) in
      try queue.driver.add(readable: two.span, writable: none.span, token: 1)
    }
    guard ring[table].flags & indirect != 0 else { throw Unable("the driver writes no table for two segments") }
    (head.flags, head.link) = (next, UInt16(table))
    ring[first] = head
    ring.offer(UInt16(first))
    let fetched = try fetch()
    try expect(
      fetched.readableByteCount == 160, "a descriptor of 32 bytes and a table of 128 are \(fetched.readableByteCount)")
  }

  /// Has the device use one of the buffers it was offered.
  private mutating func isDue() throws -> Bool {
    let before = ring.usedIndex
    queue.device.complete(try fetch(), written: 0)
    queue.device.publish()
    guard ring.usedIndex == before &+ 1 else { throw Unable("a completed buffer is not used") }
    return queue.device.isNotificationDue()
  }

  private mutating func deviceFlagDecides() throws {
    for _ in 0..<4 { try add(readable: [16], writable: []) }
    queue.driver.publish()
    for (flag, event) in [(0, 0), (1, 1), (1, 9), (0, 9)] as [(UInt16, UInt16)] {
      (ring.availableFlags, ring.usedEvent) = (flag, event)
      try expect(
        try isDue() == (flag == 0), "with the available flags \(flag) and used_event \(event) it is not so")
    }
  }

  private mutating func deviceEventDecides() throws {
    for _ in 0..<5 { try add(readable: [16], writable: []) }
    queue.driver.publish()
    for (index, event, wanted) in [(0, 0, true), (1, 2, false), (2, 2, true), (3, 0xffff, false), (4, 4, true)] {
      // The flag means nothing with EVENT_IDX.
      (ring.availableFlags, ring.usedEvent) = (1, UInt16(event))
      try expect(
        try isDue() == wanted, "used entry \(index), used_event \(event): \(wanted ? "no" : "a") notification")
    }
  }

  /// How many buffers were used since the position, and what each entry or descriptor says.
  private func used(_ sizes: [Int]) -> [(id: UInt32, length: UInt32)] {
    guard ring.isPacked else {
      let first = UInt16(truncatingIfNeeded: position)
      return (0..<min(ring.usedIndex &- first, UInt16(size))).map { ring.usedEntry(at: first &+ $0) }
    }
    var (all, at): ([(id: UInt32, length: UInt32)], Int) = ([], position)
    for count in sizes {
      let descriptor = ring[at % size]
      guard RingMemory.lapFlags(descriptor.flags) == ring.usedFlags(at: at) else { break }
      all.append((UInt32(descriptor.link), descriptor.flags & write != 0 ? descriptor.length : 0))
      at += count
    }
    return all
  }

  /// Offers four buffers, of one and of two descriptors, and has the device take them.
  private mutating func take() throws -> [(chain: DeviceChain, seen: RingMemory.Chain)] {
    for i in 0..<4 { try add(readable: i % 2 == 0 ? [] : [16], writable: [64]) }
    queue.driver.publish()
    let seen = chains
    guard seen.count == 4 else { throw Unable("of 4 published buffers \(seen.count) are in the ring") }
    return try seen.map { (try fetch(), $0) }
  }

  private mutating func usedInOrderOfCompletion(_ order: [Int]) throws {
    let taken = try take()
    let sizes = order.map { taken[$0].seen.descriptors.count }
    for i in order { queue.device.complete(taken[i].chain, written: 0) }
    try expect(ring.isPacked || used(sizes).isEmpty, "the used index moved before it was published")
    queue.device.publish()
    let found = used(sizes)
    try expect(found.count == 4, "of 4 completed buffers \(found.count) are used")
    let wanted = order.map { UInt32(taken[$0].seen.id) }
    try expect(found.map(\.id) == wanted, "buffers \(wanted) are completed, and \(found.map(\.id)) are used")
    var back = 0
    while try queue.driver.nextUsed() != nil { back += 1 }
    try expect(back == 4, "of 4 used buffers \(back) come back")
  }

  /// One at a time, so that each entry names one buffer and not the last of a batch.
  private mutating func usedInOrder() throws {
    for (i, buffer) in try take().enumerated() {
      queue.device.complete(buffer.chain, written: 0)
      queue.device.publish()
      let found = used([buffer.seen.descriptors.count])
      try expect(found.count == 1, "buffer \(i) of 4 is completed, and \(found.count) are used")
      try expect(found[0].id == buffer.seen.id, "buffer \(buffer.seen.id) is completed, and \(found[0].id) is used")
      position += ring.isPacked ? buffer.seen.descriptors.count : 1
      try expect(try queue.driver.nextUsed() != nil, "a used buffer does not come back")
    }
  }

  private mutating func usedLengthIsTheWritten() throws {
    for (readable, writable, written) in [(1, 0, 0), (0, 1, 5), (1, 3, 0), (2, 3, 100), (0, 4, 256)] {
      let chain = try offer(readable, writable)
      let fetched = try fetch()
      try complete(fetched, written: UInt32(written))
      queue.device.publish()
      guard !used([chain.descriptors.count]).isEmpty else { throw Unable("a completed buffer is not used") }
      try expect(usedLength == written, "of \(written) bytes that were written \(usedLength) are reported")
      guard try queue.driver.nextUsed() != nil else { throw Unable("a used buffer does not come back") }
      position += ring.isPacked ? Int(fetched.descriptorCount) : 1
    }
  }

  private mutating func usedFlags(atMost limit: UInt16) throws {
    for _ in 0..<3 {
      queue.device.disableNotifications()
      try expect(ring.usedFlags <= limit, "the used flags are \(ring.usedFlags)")
      _ = queue.device.enableNotifications()
      try expect(ring.usedFlags <= limit, "the used flags are \(ring.usedFlags)")
      _ = try offer(1, 0)
      try finish()
      try expect(ring.usedFlags <= limit, "the used flags are \(ring.usedFlags)")
    }
  }

  private mutating func nothingAvailable() throws {
    for _ in 0..<3 {
      try expect(try queue.device.next() == nil, "the device takes a buffer from an empty ring")
      try expect(!queue.device.enableNotifications(), "the device sees a buffer in an empty ring")
    }
    _ = try offer(1, 0)
    _ = try fetch()
    try expect(try queue.device.next() == nil, "the device takes a buffer twice")
  }

  private mutating func fetchedInRingOrder() throws {
    for length in [10, 20, 30, 40] { try add(readable: [length], writable: []) }
    queue.driver.publish()
    for length in [10, 20, 30, 40] as [UInt64] {
      let fetched = try fetch()
      try expect(
        fetched.readableByteCount == length, "a buffer of \(fetched.readableByteCount) comes before one of \(length)")
    }
  }

  private mutating func unchangedIsNotTaken() throws {
    for flags in [0, 0x8080, 0x8000] as [UInt16] {
      ring[0] = RawDescriptor(payload.address.rawValue, 16, flags: flags)
      try expect(
        try queue.device.next() == nil, "a descriptor with the flags 0x\(String(flags, radix: 16)) is taken")
    }
  }

  private mutating func usedIsLeftAlone() throws {
    for _ in 0..<4 { try add(readable: [16], writable: []) }
    queue.driver.publish()
    for _ in 0..<2 { queue.device.complete(try fetch(), written: 0) }
    queue.device.publish()
    let before = Array(ring.entries[..<2])
    for _ in 0..<2 { queue.device.complete(try fetch(), written: 0) }
    queue.device.publish()
    _ = try queue.device.next()
    _ = queue.device.isNotificationDue()
    _ = queue.device.enableNotifications()
    try expect(Array(ring.entries[..<2]) == before, "a used descriptor was changed by the device")
  }

  private mutating func oneForAList() throws {
    let chain = try offer(1, 2)
    let before = ring.entries
    queue.device.complete(try fetch(), written: 0)
    queue.device.publish()
    let found = used([chain.descriptors.count])
    guard found.count == 1 else { throw Unable("a completed list is not used") }
    try expect(found[0].id == chain.id, "list \(chain.id) is completed, and \(found[0].id) is used")
    try expect(Array(ring.entries[1..<3]) == Array(before[1..<3]), "the rest of a completed list was written")
  }
}

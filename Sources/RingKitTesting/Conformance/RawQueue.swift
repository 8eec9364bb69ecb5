internal import RingKit

/// A segment of a buffer that a driver under no one's control makes available.
struct RawSegment {
  let buffer: GuestBuffer
  let isWritable: Bool

  var descriptor: RawDescriptor {
    RawDescriptor(
      buffer.address.rawValue, UInt32(buffer.byteCount), flags: isWritable ? RawDescriptor.write : 0)
  }
}

/// How the segments of a buffer stand in the ring.
enum RawForm {
  /// One descriptor each.
  case direct
  /// In an indirect table, whose descriptor has these flags beside INDIRECT.
  case table(flags: UInt16 = 0)
  /// The first so many as descriptors of a chain that ends in a table with the rest (split only).
  case tail(direct: Int)
}

/// Memory that is handed out from its start, with bytes between that belong to no buffer.
struct RawArena {
  let buffer: GuestBuffer
  private var offset = 0

  init(_ buffer: GuestBuffer) { self.buffer = buffer }

  mutating func take(_ byteCount: Int, alignment: Int, gap: Int = 0) -> GuestBuffer {
    offset = (offset + gap + alignment - 1) & ~(alignment - 1)
    if offset + byteCount > buffer.byteCount { offset = 0 }
    defer { offset += byteCount }
    return buffer.slice(at: offset, byteCount: byteCount)
  }
}

/// The driver's side of a ring, written without RingKit's queues: every legal form of a buffer, at any position.
///
/// What the device writes into the ring is checked against what is in flight.
struct RawQueue {
  /// A buffer in flight.
  struct Flight {
    let id: UInt16
    let slots: [UInt16]
    let segments: [RawSegment]
    let request: SubjectRequest

    /// Bytes that the device may write.
    var capacity: Int { segments.reduce(0) { $1.isWritable ? $0 + $1.buffer.byteCount : $0 } }

    /// What stands in the bytes that the device may write.
    var written: [UInt8] { segments.filter(\.isWritable).flatMap { $0.buffer.copyOut() } }
  }

  /// A buffer that came back; the length is `nil` of one that a later buffer of a batch stands for.
  struct Completion {
    let flight: Flight
    let length: UInt32?
  }

  let ring: RingMemory
  let isInOrder: Bool
  /// Buffers made available, in a packed ring descriptors from the ring's start.
  private(set) var position: Int
  /// The same of what was seen to be used.
  private(set) var usedPosition: Int
  /// In the order in which they were made available.
  private(set) var inFlight: [Flight] = []
  private var tables: RawArena
  // Slots of a split ring's table, ids of a packed ring's buffers; those that came back go to the end.
  private var free: ArraySlice<UInt16>
  private var usedSlots = 0
  // Heads of a packed ring that wait for `publish()`, and what was written into each slot.
  private var heads: [(slot: Int, descriptor: RawDescriptor)] = []
  private var copies: [RawDescriptor]

  /// A queue over a ring whose memory is zero.
  ///
  /// It begins at `position`, and uses the slot or id `firstSlot` first.
  init(_ ring: RingMemory, isInOrder: Bool, position: Int, firstSlot: Int, tables: GuestBuffer) {
    (self.ring, self.isInOrder, self.position, usedPosition) = (ring, isInOrder, position, position)
    self.tables = RawArena(tables)
    free = (0..<ring.size).map { UInt16(($0 + firstSlot) % ring.size) }[...]
    copies = (0..<ring.size).map { _ in RawDescriptor(0, 0) }
    guard ring.isPacked else {
      ring.availableIndex = UInt16(truncatingIfNeeded: position)
      ring.usedIndex = UInt16(truncatingIfNeeded: position)
      // An entry that was not published names no descriptor: a device that reads one of them comes to a halt.
      for entry in 0..<ring.size { ring.store16(.max, ring.driverArea, 4 + 2 * entry) }
      // An entry that was not written before the index moved shows.
      for index in 0..<UInt16(min(ring.size, 1024)) { ring.setUsedEntry(at: index, id: .max, length: .max) }
      return
    }
    if position == 0 { return }
    // Descriptors before the position are used of this lap, those behind it of the last one.
    for slot in 0..<ring.size {
      let lap = slot < position % ring.size ? position : position - ring.size
      let flags = position >= ring.size || slot < position % ring.size ? ring.usedFlags(at: max(lap, 0)) : 0
      copies[slot] = RawDescriptor(0, 0, flags: flags)
      ring[slot] = copies[slot]
    }
  }

  /// Where a back-end begins with the next buffer that is added.
  var base: UInt32 { base(at: position) }

  /// Where it begins with the first one that was not seen to be used.
  var usedBase: UInt32 { base(at: usedPosition) }

  /// Whether a back-end may say so of where it stopped: with the used half of a packed ring's position, or without it
  /// as before that was specified.
  func isUsedBase(_ base: UInt32) -> Bool { base == usedBase || ring.isPacked && base == usedBase & 0xffff }

  private func base(at position: Int) -> UInt32 {
    guard ring.isPacked else { return UInt32(position & 0xffff) }
    let half = UInt32(position % ring.size) | (ring.wrap(at: position) ? 0x8000 : 0)
    return half | half << 16
  }

  /// The first descriptor of a packed list that waits for ``publish()``.
  var waitingHead: RawDescriptor? { heads.first?.descriptor }

  /// Descriptors that are free.
  var room: Int { ring.size - usedSlots }

  /// Writes a buffer; visible after ``publish()``.
  mutating func add(_ request: SubjectRequest, _ segments: [RawSegment], _ form: RawForm) {
    let direct: ArraySlice<RawSegment>
    var tail: RawDescriptor?
    switch form {
    case .direct: direct = segments[...]
    case .table(let flags):
      direct = []
      tail = table(segments[...], flags: flags)
    case .tail(let count):
      direct = segments.prefix(count)
      tail = table(segments.dropFirst(count), flags: 0)
    }
    let descriptors = direct.map(\.descriptor) + (tail.map { [$0] } ?? [])
    precondition(descriptors.count <= room, "a ring of \(ring.size) has room for \(room) descriptors")
    let (id, slots) = ring.isPacked ? writePacked(descriptors) : writeSplit(descriptors)
    usedSlots += descriptors.count
    inFlight.append(Flight(id: id, slots: slots, segments: segments, request: request))
  }

  private mutating func table(_ segments: ArraySlice<RawSegment>, flags: UInt16) -> RawDescriptor {
    let buffer = tables.take(16 * segments.count, alignment: 16, gap: 16)
    var bytes: [UInt8] = []
    for (number, segment) in segments.enumerated() {
      var entry = segment.descriptor
      if !ring.isPacked, number + 1 < segments.count {
        entry.flags |= RawDescriptor.next
        entry.link = UInt16(number + 1)
      }
      bytes += entry.bytes(isPacked: ring.isPacked)
    }
    buffer.copyIn(bytes)
    return RawDescriptor(
      buffer.address.rawValue, UInt32(buffer.byteCount), flags: RawDescriptor.indirect | flags)
  }

  private mutating func writeSplit(_ descriptors: [RawDescriptor]) -> (UInt16, [UInt16]) {
    let slots = Array(free.prefix(descriptors.count))
    free = free.dropFirst(descriptors.count)
    for (number, descriptor) in descriptors.enumerated() {
      var descriptor = descriptor
      if number + 1 < descriptors.count {
        descriptor.flags |= RawDescriptor.next
        descriptor.link = slots[number + 1]
      }
      ring[Int(slots[number])] = descriptor
    }
    ring.store16(slots[0], ring.driverArea, 4 + 2 * (position % 65_536 % ring.size))
    position += 1
    return (slots[0], slots)
  }

  private mutating func writePacked(_ descriptors: [RawDescriptor]) -> (UInt16, [UInt16]) {
    let id = free[free.startIndex]
    free = free.dropFirst()
    var slots: [UInt16] = []
    for (number, descriptor) in descriptors.enumerated() {
      let (slot, isLast) = ((position + number) % ring.size, number + 1 == descriptors.count)
      var descriptor = descriptor
      descriptor.flags |= ring.availableFlags(at: position + number) | (isLast ? 0 : RawDescriptor.next)
      // Only the last descriptor of a list has the buffer's id (2.8.6); the others have one that no buffer has.
      descriptor.link = isLast ? id : 0xffff
      copies[slot] = descriptor
      if number == 0 { heads.append((slot, descriptor)) } else { ring[slot] = descriptor }
      slots.append(UInt16(slot))
    }
    position += descriptors.count
    return (id, slots)
  }

  /// Makes what was added available.
  mutating func publish() {
    guard ring.isPacked else {
      ring.availableIndex = UInt16(truncatingIfNeeded: position)
      return
    }
    for head in heads { ring[head.slot] = head.descriptor }
    heads = []
  }

  /// What the device has used since the last call: one buffer, or with IN_ORDER the batch that one entry stands for.
  ///
  /// - Throws: ``Finding`` for an entry or an index that cannot be.
  mutating func collect() throws(Finding) -> [Completion] {
    ring.isPacked ? try collectPacked() : try collectSplit()
  }

  private mutating func collectSplit() throws(Finding) -> [Completion] {
    let index = UInt16(truncatingIfNeeded: usedPosition)
    let ahead = Int(ring.usedIndex &- index)
    guard ahead > 0 else { return [] }
    guard ahead <= inFlight.count else {
      throw Finding("S27", "the used index moved from \(index) to \(ring.usedIndex) with \(inFlight.count) in flight")
    }
    let entry = ring.usedEntry(at: index)
    // What was put there before the ring began.
    guard entry.id != .max else {
      throw Finding("S27", "the used index moved past \(index) before its entry was written", isCertain: true)
    }
    guard let found = inFlight.firstIndex(where: { UInt32($0.id) == entry.id }) else {
      throw Finding("S27", "used entry \(index) names \(entry.id), and in flight is \(ids)")
    }
    guard !isInOrder || found < ahead else {
      throw Finding(
        "S27",
        "with IN_ORDER used entry \(index) names \(entry.id), the last of \(found + 1), and the used index "
          + "moved by \(ahead)")
    }
    let batch = isInOrder ? found + 1 : 1
    usedPosition += batch
    return retire(isInOrder ? 0..<batch : found..<found + 1, length: entry.length)
  }

  private mutating func collectPacked() throws(Finding) -> [Completion] {
    let slot = usedPosition % ring.size
    let descriptor = ring[slot]
    guard !inFlight.isEmpty, descriptor != copies[slot],
      RingMemory.lapFlags(descriptor.flags) == ring.usedFlags(at: usedPosition)
    else { return [] }
    guard let found = inFlight.firstIndex(where: { $0.id == descriptor.link }) else {
      throw Finding("P18", "the used descriptor at \(slot) names \(descriptor.link), and in flight is \(ids)")
    }
    let done = isInOrder ? 0..<found + 1 : found..<found + 1
    copies[slot] = descriptor
    usedPosition += inFlight[done].reduce(0) { $0 + $1.slots.count }
    return retire(done, length: descriptor.flags & RawDescriptor.write != 0 ? descriptor.length : 0)
  }

  private var ids: String { inFlight.map { "\($0.id)" }.joined(separator: ", ") }

  private mutating func retire(_ done: Range<Int>, length: UInt32) -> [Completion] {
    let batch = inFlight[done].enumerated().map { number, flight in
      Completion(flight: flight, length: number + 1 == done.count ? length : nil)
    }
    inFlight.removeSubrange(done)
    for completion in batch {
      usedSlots -= completion.flight.slots.count
      free += ring.isPacked ? [completion.flight.id] : completion.flight.slots
    }
    return batch
  }

  /// What a packed ring shows of a buffer that does not come back.
  func trace() -> Finding? {
    guard ring.isPacked, !inFlight.isEmpty else { return nil }
    let due = usedPosition % ring.size
    if ring[due] != copies[due] {
      return Finding(
        "P18",
        "the descriptor at \(due) became \(ring[due].text), where those of a used one are "
          + RawDescriptor.flagsText(ring.usedFlags(at: usedPosition)))
    }
    for slot in 0..<ring.size where ring[slot] != copies[slot] {
      return Finding("P22", "the descriptor at \(slot) became \(ring[slot].text), and the one at \(due) is due")
    }
    return nil
  }
}

extension RawDescriptor {
  static func flagsText(_ flags: UInt16) -> String { "flags 0x" + String(flags, radix: 16) }

  var text: String { "\(Self.flagsText(flags)), id \(link), length \(length)" }
}

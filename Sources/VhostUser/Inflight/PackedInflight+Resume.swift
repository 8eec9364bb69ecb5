internal import RingKit

extension PackedInflight {
  /// Where a device goes on with what another one left.
  ///
  /// - Parameters:
  ///   - memory: the queue's part.
  ///   - size: the entries that the memory was described with.
  ///   - ring: the queue's ring.
  ///   - isInOrder: whether buffers are completed in the order they were fetched.
  /// - Returns: the used position and what has to be fetched anew, which is nothing where the ring still has all of it
  ///   from there on; `nil` when no back-end has noted anything.
  /// - Throws: ``VhostUserError/inflight(_:)`` when what is noted makes no sense, or with IN_ORDER is not what stands
  ///   in the ring: the driver would find one buffer twice and another never.
  static func resume(
    _ memory: SharedMemory, size: Int, _ ring: PackedRing, isInOrder: Bool
  ) throws(VhostUserError) -> (used: WrapCounter, again: [FlightEntry])? {
    let version = memory.load16(InflightLayout.version)
    if version == 0 { return nil }
    guard version == InflightLayout.currentVersion else { throw .inflight("its version is \(version)") }
    let entries = memory.load16(InflightLayout.entryCount)
    guard entries == size else { throw .inflight("it has \(entries) entries instead of \(size)") }
    let wraps = memory.load16(wrapsOffset)
    let now = WrapCounter(offset: memory.load16(usedOffset), wrap: wraps & 0xff != 0)
    let old = WrapCounter(offset: memory.load16(oldUsedOffset), wrap: wraps >> 8 != 0)
    guard now.offset < ring.size, old.offset < ring.size else {
      throw .inflight("its used index is \(now.offset) and was \(old.offset), in a ring of \(ring.size)")
    }
    // The last batch counts when the first of its descriptors is no longer available (bits 7 and 15 of its flags).
    let flags = UInt16(truncatingIfNeeded: ring.descriptors.load64(Int(old.offset) * 16 + 8) >> 48)
    let isPublished = now != old && flags & 0x8080 != old.availableFlags
    let position = isPublished ? now : old
    var cursor = position
    let inFlight = try buffers(memory, size: size, isPublished: isPublished)
    do throws(VhostUserError) {
      for buffer in inFlight { try find(buffer, memory, size: size, ring, at: &cursor) }
      return (position, [])
    } catch {
      if isInOrder { throw error }
      return (position, try copies(inFlight, memory, size: size, ring))
    }
  }

  /// The buffers in flight with their descriptors, as they were noted.
  private static func copies(
    _ buffers: [Buffer], _ memory: SharedMemory, size: Int, _ ring: PackedRing
  ) throws(VhostUserError) -> [FlightEntry] {
    var found: [FlightEntry] = []
    var sum = 0
    for buffer in buffers {
      sum += Int(buffer.count)
      guard buffer.count > 0, sum <= ring.size else {
        throw .inflight("buffers of \(sum) descriptors are in flight in a ring of \(ring.size)")
      }
      var descriptors: [(address: UInt64, word: UInt64)] = []
      var entry = buffer.head
      for _ in 0..<buffer.count {
        guard entry < size else { throw .inflight("a buffer in flight leads to entry \(entry) of \(size)") }
        let at = offset(Int(entry))
        let word = memory.load64(at + 16)
        descriptors.append((memory.load64(at + 24), word >> 32 | word << 32))
        entry = UInt16(truncatingIfNeeded: memory.load64(at) >> 16)
      }
      found.append(FlightEntry(descriptors))
    }
    return found
  }

  /// A buffer in flight: its first entry, how many there are, and when it was fetched.
  private struct Buffer {
    let head: UInt16
    let count: UInt16
    let counter: UInt64
  }

  /// What is in flight, in the order it was fetched.
  private static func buffers(
    _ memory: SharedMemory, size: Int, isPublished: Bool
  ) throws(VhostUserError) -> [Buffer] {
    let oldHead = memory.load16(oldFreeHeadOffset)
    var published: Set<UInt16> = []
    // A batch that was published stands in front of the free list: each buffer's last entry leads to the next one.
    var head = memory.load16(freeHeadOffset)
    while isPublished && head != oldHead {
      guard head < size, published.insert(head).inserted else {
        throw .inflight("its last batch names entry \(head) of \(size)")
      }
      let last = UInt16(truncatingIfNeeded: memory.load64(offset(Int(head))) >> 32)
      guard last < size else { throw .inflight("entry \(head) ends with entry \(last) of \(size)") }
      head = UInt16(truncatingIfNeeded: memory.load64(offset(Int(last))) >> 16)
    }
    var found: [Buffer] = []
    for entry in 0..<UInt16(size) where !published.contains(entry) {
      let word = memory.load64(offset(Int(entry)))
      guard word & 0xff != 0 else { continue }
      let counter = memory.load64(offset(Int(entry)) + 8)
      found.append(Buffer(head: entry, count: UInt16(truncatingIfNeeded: word >> 48), counter: counter))
    }
    found.sort { $0.counter < $1.counter }
    // One at the head of the free list was not taken from it yet when the device died.
    if !isPublished, found.last?.head == oldHead { found.removeLast() }
    return found
  }

  /// A buffer in flight with its entries, in their order.
  struct Chain {
    let head: UInt16
    let counter: UInt64
    let entries: [Int]
  }

  /// Ends the step in which the last back-end died, but for the used position, and returns what is in flight; nothing
  /// where that makes no sense.
  static func settle(_ memory: SharedMemory, size: Int, at position: WrapCounter) -> [Chain] {
    let old = WrapCounter(offset: memory.load16(oldUsedOffset), wrap: memory.load16(wrapsOffset) >> 8 != 0)
    let isPublished = old != position
    let buffers = (try? buffers(memory, size: size, isPublished: isPublished)) ?? []
    let heads = Set(buffers.map(\.head))
    for entry in 0..<UInt16(size) where !heads.contains(entry) { memory.storeRelease16(0, offset(Int(entry))) }
    // What was published is done, and what was begun besides is undone.
    if isPublished {
      memory.storeRelease16(memory.load16(freeHeadOffset), oldFreeHeadOffset)
    } else {
      memory.storeRelease16(memory.load16(oldFreeHeadOffset), freeHeadOffset)
    }
    var seen: Set<Int> = []
    var chains: [Chain] = []
    for buffer in buffers {
      var (entries, entry) = ([Int](), Int(buffer.head))
      for _ in 0..<buffer.count where entry < size && seen.insert(entry).inserted {
        entries.append(entry)
        entry = Int(UInt16(truncatingIfNeeded: memory.load64(offset(entry)) >> 16))
      }
      chains.append(Chain(head: buffer.head, counter: buffer.counter, entries: entries))
    }
    return chains
  }

  /// Holds a buffer against the descriptors that stand in the ring, and steps behind them.
  private static func find(
    _ buffer: Buffer, _ memory: SharedMemory, size: Int, _ ring: PackedRing, at cursor: inout WrapCounter
  ) throws(VhostUserError) {
    guard (1...UInt16(ring.size)).contains(buffer.count) else {
      throw .inflight("entry \(buffer.head) is a buffer of \(buffer.count) descriptors in a ring of \(ring.size)")
    }
    var entry = buffer.head
    for _ in 0..<buffer.count {
      guard entry < size else { throw .inflight("a buffer in flight leads to entry \(entry) of \(size)") }
      let (noted, slot) = (offset(Int(entry)), Int(cursor.offset) * 16)
      let word = ring.descriptors.load64(slot + 8)
      // Length, id and flags stand in another order there.
      let isSame =
        memory.load64(noted + 16) == (word >> 32) | word << 32
        && memory.load64(noted + 24) == ring.descriptors.load64(slot)
      guard isSame else {
        let id = UInt16(truncatingIfNeeded: memory.load64(noted + 16))
        throw .inflight("buffer \(id) is in flight, and is not where a device that works in order left it")
      }
      cursor.advance(by: 1, size: UInt16(ring.size))
      entry = UInt16(truncatingIfNeeded: memory.load64(noted) >> 16)
    }
  }
}

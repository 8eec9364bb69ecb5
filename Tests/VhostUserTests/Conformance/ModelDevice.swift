import Glibc
import RingKit
import RingKitTesting
import Synchronization

/// What a model breaks: one rule, by its number in `Documentation/rules.md`.
enum Fault: String, CaseIterable, Sendable {
  // Split.
  case indexNotMasked = "S11"
  case writeOnTableHonoured = "S24"
  case noTableAtTheEnd = "S25"
  case longLength = "S28"
  case eventWithoutWrap = "S26"
  case entryAfterIndex = "S27"
  case headerInOneDescriptor = "S21"
  case miscountedBatch = "S27 in order"
  case descriptorsWritten = "S23"
  case shortChains = "S8"
  case readableWritten = "S22"
  case flagWithEvents = "S29"
  case usesOnEachKick = "S30"
  case baseIgnored = "Q2"
  case stopsElsewhere = "Q3"
  case loseInFlight = "Q4"
  case followsLoops = "S4"
  case flagIgnored = "S26 flag"
  // Packed.
  case availableWrapKept = "P20"
  case usedWrapKept = "P18"
  case flagsBeforeId = "P18 flags"
  case longPackedLength = "P21"
  case usedInEachSlot = "P22"
  case usedBitIgnored = "P20 USED"
  case shortLists = "P6"
  case shortTables = "P13"
  case packedReadableWritten = "P19"
  case packedEventWithoutWrap = "S26 packed"

  var rule: String { String(rawValue.prefix { $0 != " " }) }
  var isPacked: Bool { rule.hasPrefix("P") || self == .packedEventWithoutWrap }
}

/// A clock that goes on by a millisecond each time the model finds nothing to do.
///
/// A busy machine never looks like a device that hangs.
final class IdleClock: Sendable {
  private let turns = Atomic<UInt64>(0)

  var nanoseconds: UInt64 { turns.load(ordering: .acquiring) * 1_000_000 }

  func advance(_ milliseconds: UInt64 = 1) { turns.add(milliseconds, ordering: .releasing) }
}

/// A disk over a ring's raw memory, which shares no code with RingKit's queues, and breaks one rule when told.
struct ModelQueue {
  let ring: RingMemory
  let memory: GuestMemory
  let features: VirtioFeatures
  let disk: [UInt8]
  let fault: Fault?
  /// Set by another thread, which waits for the end.
  let stop: StopFlag
  let clock: IdleClock
  /// Positions as laps and slots: buffers of a split ring, descriptors of a packed one.
  private(set) var seen: Int
  private(set) var used: Int
  private(set) var isBroken = false
  private(set) var isHung = false
  /// Kicks in a row that came with nothing to serve.
  private var emptyKicks = 0

  init(
    _ ring: RingMemory, _ memory: GuestMemory, features: VirtioFeatures, disk: [UInt8], fault: Fault?, base: UInt32,
    stop: StopFlag, clock: IdleClock
  ) {
    (self.ring, self.memory, self.features) = (ring, memory, features)
    (self.disk, self.fault, self.stop, self.clock) = (disk, fault, stop, clock)
    let base = fault == .baseIgnored ? (ring.isPacked ? 0x8000_8000 : 0) : base
    seen = ring.isPacked ? Int(base & 0x7fff) + (base & 0x8000 == 0 ? ring.size : 0) : Int(base)
    used = seen
  }

  private var size: Int { ring.size }
  private var isInOrder: Bool { features.contains(.inOrder) }
  private var hasEvents: Bool { features.contains(.eventIndex) }

  /// Where it would go on, as a back-end tells it.
  var base: UInt32 {
    var at = seen
    if fault == .stopsElsewhere { at += 1 }
    guard ring.isPacked else { return UInt32(UInt16(truncatingIfNeeded: at)) }
    let half = UInt32(at % size) | (isSet(at) ? 0x8000 : 0)
    return half | half << 16
  }

  private func isSet(_ position: Int) -> Bool { position / size % 2 == 0 }

  private struct Taken {
    let id: UInt16
    let descriptors: Int
    var length: UInt32 = 0
  }

  /// Serves what is there; true when the driver has to be notified.
  mutating func serve(isKicked: Bool) -> Bool {
    var isDue = false
    if fault == .flagWithEvents, hasEvents { ring.usedFlags = 1 }
    if fault == .usesOnEachKick, isKicked, !ring.isPacked {
      // The first may belong to a request that the kick before it brought: it was published while that was served.
      emptyKicks = ring.availableIndex == UInt16(truncatingIfNeeded: seen) ? emptyKicks + 1 : 0
      if emptyKicks > 1 { ring.usedIndex &+= 1 }
    }
    while !isBroken, !stop.isRaised {
      var batch: [Taken] = []
      while batch.count < (isInOrder ? 4 : 1), let taken = take() { batch.append(taken) }
      if batch.isEmpty { break }
      emptyKicks = 0
      let old = used
      ring.isPacked ? usePacked(batch) : useSplit(batch)
      isDue = notifies(from: old) || isDue
    }
    if hasEvents, !ring.isPacked { ring.availableEvent = UInt16(truncatingIfNeeded: seen) }
    return isDue
  }

  // MARK: taking

  private mutating func take() -> Taken? { ring.isPacked ? takePacked() : takeSplit() }

  private mutating func takeSplit() -> Taken? {
    guard !isBroken, ring.availableIndex != UInt16(truncatingIfNeeded: seen) else { return nil }
    if fault == .indexNotMasked, seen & 0xffff >= size { return broken() }
    let head = ring.head(at: UInt16(truncatingIfNeeded: seen))
    guard let chain = walk(Int(head)) else { return broken() }
    seen += 1
    var taken = Taken(id: head, descriptors: 1)
    taken.length = serve(chain)
    if fault == .descriptorsWritten { ring[Int(head)].length = 0 }
    return taken
  }

  private mutating func walk(_ head: Int) -> [RawDescriptor]? {
    var (found, slot): ([RawDescriptor], Int) = ([], head)
    let limit = fault == .shortChains ? size - 1 : size
    while true {
      guard slot < size, found.count < limit || fault == .followsLoops else { return nil }
      if found.count > limit {
        isHung = true
        while !stop.isRaised {
          usleep(1000)
          clock.advance()
        }
        return nil
      }
      let descriptor = ring[slot]
      if descriptor.flags & RawDescriptor.indirect != 0 {
        if fault == .noTableAtTheEnd, !found.isEmpty { return nil }
        if fault == .writeOnTableHonoured, descriptor.flags & RawDescriptor.write != 0 { return [descriptor] }
        guard features.contains(.indirectDescriptors), descriptor.flags & RawDescriptor.next == 0,
          let entries = table(descriptor)
        else { return nil }
        return found + entries
      }
      found.append(descriptor)
      if descriptor.flags & RawDescriptor.next == 0 { return found }
      slot = Int(descriptor.link)
    }
  }

  private func table(_ descriptor: RawDescriptor) -> [RawDescriptor]? {
    let count = Int(descriptor.length) / 16
    guard descriptor.length % 16 == 0, (1...size).contains(count), fault != .shortTables || count < size,
      let buffer = memory.sharedBuffer(at: GuestPhysicalAddress(descriptor.address), byteCount: 16 * count)
    else { return nil }
    let entries = RingMemory([buffer, buffer, buffer], isPacked: ring.isPacked, size: count)
    if ring.isPacked {
      let all = (0..<count).map { entries[$0] }
      return all.contains { $0.flags & RawDescriptor.indirect != 0 } ? nil : all
    }
    var (found, slot): ([RawDescriptor], Int) = ([], 0)
    while slot < count, found.count < count {
      let entry = entries[slot]
      if entry.flags & RawDescriptor.indirect != 0 { return nil }
      found.append(entry)
      if entry.flags & RawDescriptor.next == 0 { return found }
      slot = Int(entry.link)
    }
    return nil
  }

  private func isAvailable(_ flags: UInt16, at position: Int) -> Bool {
    let wrap = fault == .availableWrapKept ? true : isSet(position)
    let (available, isUsed) = (flags & RawDescriptor.available != 0, flags & RawDescriptor.used != 0)
    return available == wrap && (isUsed != wrap || fault == .usedBitIgnored)
  }

  private mutating func takePacked() -> Taken? {
    guard !isBroken, isAvailable(ring[seen % size].flags, at: seen) else { return nil }
    var chain: [RawDescriptor] = []
    let limit = fault == .shortLists ? size - 1 : size
    var count = 0
    while true {
      let descriptor = ring[(seen + count) % size]
      guard count < limit, isAvailable(descriptor.flags, at: seen + count) else { return broken() }
      count += 1
      if descriptor.flags & RawDescriptor.indirect != 0 {
        guard features.contains(.indirectDescriptors), count == 1, descriptor.flags & RawDescriptor.next == 0,
          let entries = table(descriptor)
        else { return broken() }
        chain = entries
      } else {
        chain.append(descriptor)
      }
      guard descriptor.flags & RawDescriptor.next == 0 else { continue }
      var taken = Taken(id: descriptor.link, descriptors: count)
      taken.length = serve(chain)
      seen += count
      return taken
    }
  }

  private mutating func broken() -> Taken? {
    isBroken = true
    return nil
  }

  // MARK: serving

  /// Reads blocks of the disk; the bytes written.
  private mutating func serve(_ chain: [RawDescriptor]) -> UInt32 {
    var (out, into): ([UInt8], [GuestBuffer]) = ([], [])
    for descriptor in chain where descriptor.length > 0 {
      let address = GuestPhysicalAddress(descriptor.address)
      guard let buffer = memory.sharedBuffer(at: address, byteCount: Int(descriptor.length)) else {
        isBroken = true
        return 0
      }
      if descriptor.flags & RawDescriptor.write != 0 { into.append(buffer) } else { out += buffer.copyOut() }
    }
    let room = into.reduce(0) { $0 + $1.byteCount }
    guard out.count >= 16, room > 0 else {
      isBroken = true
      return 0
    }
    if fault == .headerInOneDescriptor, (chain.first?.length ?? 0) < 16 { return 0 }
    let sector = (0..<8).reduce(0) { $0 | Int(out[8 + $1]) << (8 * $1) }
    let isRead =
      out[0] == 0 && (room - 1) % 512 == 0 && (0..<disk.count).contains(sector) && sector * 512 + room - 1 <= disk.count
    if fault == .loseInFlight { usleep(200) }
    var answer = isRead ? Array(disk[sector * 512..<sector * 512 + room - 1]) : [UInt8](repeating: 0, count: room - 1)
    answer.append(isRead ? 0 : 2)
    var at = 0
    for buffer in into {
      buffer.copyIn(Array(answer[at..<at + buffer.byteCount]))
      at += buffer.byteCount
    }
    if fault == .readableWritten || fault == .packedReadableWritten, let first = chain.first,
      first.flags & RawDescriptor.write == 0
    {
      memory.sharedBuffer(at: GuestPhysicalAddress(first.address), byteCount: 1)?.copyIn([0x77])
    }
    return UInt32(room) + (fault == .longLength || fault == .longPackedLength ? 1 : 0)
  }

  // MARK: using

  private mutating func useSplit(_ batch: [Taken]) {
    let index = UInt16(truncatingIfNeeded: used)
    let last = batch[batch.count - 1]
    used += batch.count
    let moved = fault == .miscountedBatch ? 1 : batch.count
    if fault == .entryAfterIndex {
      ring.usedIndex = index &+ UInt16(moved)
      usleep(300)
    }
    ring.setUsedEntry(at: index, id: UInt32(last.id), length: last.length)
    ring.usedIndex = index &+ UInt16(moved)
  }

  private mutating func usePacked(_ batch: [Taken]) {
    let (slot, last) = (used % size, batch[batch.count - 1])
    let wrap = fault == .usedWrapKept ? true : isSet(used)
    let flags = (wrap ? RawDescriptor.available | RawDescriptor.used : 0) | RawDescriptor.write
    if fault == .flagsBeforeId {
      ring[slot].flags = flags
      usleep(300)
    }
    ring[slot] = RawDescriptor(ring[slot].address, last.length, flags: flags, link: last.id)
    // A device that counts buffers where descriptors count.
    used += fault == .usedInEachSlot ? batch.count : batch.reduce(0) { $0 + $1.descriptors }
  }

  private func notifies(from old: Int) -> Bool {
    guard ring.isPacked else {
      guard hasEvents else {
        return fault == .flagIgnored ? ring.usedEvent == UInt16(truncatingIfNeeded: old) : ring.availableFlags & 1 == 0
      }
      let (event, from, to) = (ring.usedEvent, UInt16(truncatingIfNeeded: old), UInt16(truncatingIfNeeded: used))
      return fault == .eventWithoutWrap ? to > event && from <= event : to &- event &- 1 < to &- from
    }
    let (flags, event) = ring.driverEvent
    guard flags == 2 else { return flags == 0 }
    if fault == .packedEventWithoutWrap { return used % size > Int(event & 0x7fff) }
    let at = Int(event & 0x7fff) + (isSet(old) == (event >> 15 == 1) ? 0 : size)
    return (old % size..<old % size + used - old).contains(at)
  }
}

/// A model over its ring, served by a thread of its own.
final class ModelPort: ConformancePort, @unchecked Sendable {
  let offered: VirtioFeatures
  let features: VirtioFeatures
  let configuration: [UInt8]
  private let fault: Fault?
  private let disk: [UInt8]
  private let (kickBell, callBell): (EventDoorbell, EventDoorbell)
  private var memory: GuestMemory?
  private var stopFlag = StopFlag()
  private let clock = IdleClock()
  private var thread: TestThread?
  // The thread's until it is joined.
  private var model: ModelQueue?

  init(_ wanted: VirtioFeatures, offered: VirtioFeatures, disk: [UInt8], fault: Fault?) throws {
    (self.offered, features, self.disk, self.fault) = (offered, wanted.union(Self.segments), disk, fault)
    let sectors = UInt8(disk.count / 512)
    // Capacity, then a segment limit of 126 (SEG_MAX).
    configuration = [sectors, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 126, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    (kickBell, callBell) = (try EventDoorbell(), try EventDoorbell())
  }

  private static let segments = VirtioFeatures(rawValue: 1 << 2)

  func share(_ memory: GuestMemory) throws(PortEnd) { self.memory = memory }

  func start(_ queue: Int, _ ring: RingMemory, base: UInt32) throws(PortEnd) {
    guard let memory else { throw .wrong("no memory") }
    stopFlag = StopFlag()
    _ = kickBell.take()
    model = ModelQueue(
      ring, memory, features: features, disk: disk, fault: fault, base: base, stop: stopFlag, clock: clock)
    thread = TestThread { [self] in
      var isKicked = false
      while !stopFlag.isRaised {
        let isAwake = isKicked || fault != .usesOnEachKick
        if isAwake, model?.serve(isKicked: isKicked) == true { callBell.ring() }
        isKicked = kickBell.wait(milliseconds: 1)
        if !isKicked { clock.advance() }
      }
    }
  }

  func kick(_ queue: Int) { kickBell.ring() }

  func takeCall(_ queue: Int) -> Bool { callBell.take() }

  var now: UInt64 { clock.nanoseconds }

  func wait(milliseconds: Int32) throws(PortEnd) {
    guard milliseconds > 0 else { return }
    usleep(200)
    if thread == nil { clock.advance() }
  }

  func stop(_ queue: Int) throws(PortEnd) -> UInt32 {
    close()
    guard let model else { throw .wrong("a queue that does not run is stopped") }
    if model.isHung { throw .unanswered("the model hangs") }
    if fault == .loseInFlight { return UInt32(model.ring.availableIndex) }
    return model.base
  }

  func close() {
    stopFlag.raise()
    thread?.join()
    thread = nil
  }

  deinit { close() }
}

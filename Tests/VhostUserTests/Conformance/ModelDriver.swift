import Glibc
import RingKit
import VhostUser

@testable import RingKitTesting

/// What a model of a driver breaks: one rule, by its number in `Documentation/rules.md`.
enum DriverFault: String, CaseIterable, Sendable {
  // Split.
  case writableFirst = "S2"
  case loop = "S4"
  case nextElsewhere = "S5"
  case tableNotNegotiated = "S6"
  case tableInTable = "S7"
  case longTable = "S8"
  case nextOnTable = "S9"
  case tableOutOfOrder = "S10"
  case indexBack = "S11"
  case flagsTwo = "S12"
  case flagWithEvents = "S13"
  case usedFlagsLeft = "S16"
  case noNotification = "S17"
  case noFirstNotification = "S17 first"
  case noNotificationOfEvent = "S18"
  case eventWithoutWrap = "S18 wrap"
  case writesUsedRing = "Q7"
  case shortHeader = "Q8"
  // Packed.
  case reusedEarly = "P2"
  case changedLater = "P3"
  case longList = "P6"
  case packedWritableFirst = "P7"
  case headFirst = "P10"
  case packedTableNotNegotiated = "P11"
  case packedTableInTable = "P12"
  case longPackedTable = "P13"
  case tableInList = "P14"
  case eventNotNegotiated = "S12 packed"
  case eventOutside = "S13 packed"
  case noPackedNotification = "S17 packed"
  case noPackedNotificationOfEvent = "S18 packed"
  case writesDeviceEvent = "Q7 packed"

  var rule: String { String(rawValue.prefix { $0 != " " }) }
  var isPacked: Bool { rule.hasPrefix("P") || rawValue.hasSuffix(" packed") }
  var isOfNotification: Bool { ["S17", "S18"].contains(rule) }

  /// Whether it can be seen only while the device has what the driver made available.
  var changesWhatIsInFlight: Bool { [.indexBack, .reusedEarly, .changedLater].contains(self) }

  /// What is negotiated beside VERSION_1 and the layout.
  var features: VirtioFeatures {
    switch self {
    case .nextElsewhere: .inOrder
    case .tableInTable, .longTable, .nextOnTable, .packedTableInTable, .longPackedTable, .tableInList:
      .indirectDescriptors
    case .tableOutOfOrder: [.indirectDescriptors, .inOrder]
    case .flagWithEvents, .noNotificationOfEvent, .eventWithoutWrap, .eventOutside, .noPackedNotificationOfEvent:
      .eventIndex
    default: []
    }
  }
}

/// A driver of a disk over a ring's raw memory, which shares no code with RingKit's queues; breaks one rule when told.
///
/// It reads block after block, four requests at a time, and waits for all of them.
struct ModelDriver {
  static let size = 16
  private static let batch = 4

  let ring: RingMemory
  private let data: GuestBuffer
  private let features: VirtioFeatures
  private let fault: DriverFault?
  private let port: VhostUserPort
  private let meeting: Meeting
  /// Buffers, in a packed ring descriptors, that were made available and that came back.
  private var position: Int
  private var used: Int
  private var isOver = false

  /// Runs in the caller's thread, until all rounds are done or the device has gone.
  static func run(_ port: VhostUserPort, _ fault: DriverFault?, _ meeting: Meeting, rounds: Int) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 28), byteCount: 1 << 16)
    var driver = ModelDriver(port, GuestBuffer(whole: region), fault, meeting)
    try port.share(try GuestMemory([region]))
    try port.start(0, driver.ring, base: driver.base)
    for round in 0..<rounds where !driver.isOver { driver.goRound(round) }
  }

  private init(_ port: VhostUserPort, _ memory: GuestBuffer, _ fault: DriverFault?, _ meeting: Meeting) {
    (self.port, self.fault, self.meeting, features) = (port, fault, meeting, port.features)
    let isPacked = port.features.contains(.packedRing)
    ring = RingMemory(in: memory.slice(at: 0, byteCount: 4096), isPacked: isPacked, size: Self.size)
    data = memory.slice(at: 4096, byteCount: memory.byteCount - 4096)
    // Near the wrap of a split ring's indices.
    position = isPacked || fault == .usedFlagsLeft || fault == .noFirstNotification ? 0 : 65_506
    used = position
    if isPacked { return }
    ring.availableIndex = UInt16(truncatingIfNeeded: position)
    ring.usedIndex = UInt16(truncatingIfNeeded: position)
    ring.availableEvent = UInt16(truncatingIfNeeded: position)
    if fault == .usedFlagsLeft { ring.usedFlags = 1 }
    if fault == .flagWithEvents { ring.availableFlags = 1 }
    if fault == .flagsTwo { ring.availableFlags = 2 }
  }

  private var base: UInt32 { ring.isPacked ? 0x8000_8000 : UInt32(position) }

  private mutating func goRound(_ round: Int) {
    if fault == .eventNotNegotiated { ring.store16(2, ring.driverArea, 2) }
    if fault == .eventOutside {
      ring.store16(UInt16(Self.size), ring.driverArea, 0)
      ring.store16(2, ring.driverArea, 2)
    }
    // The first rounds are as they should be.
    let broken = round >= 2 || fault == .noFirstNotification ? fault : nil
    let start = position
    if broken?.changesWhatIsInFlight == true { meeting.ask() }
    var lengths: [Int] = []
    var heads: [(slot: Int, descriptor: RawDescriptor)] = []
    // One that is as long as the ring leaves no room for another.
    for number in 0..<(broken == .longList ? 1 : Self.batch) {
      let chain = chain(number, round, number == 0 ? broken : nil)
      lengths.append(chain.count)
      if ring.isPacked {
        heads.append(writePacked(chain, id: UInt16(number), isHeadFirst: broken == .headFirst))
      } else {
        writeSplit(chain, first: 3 * number, number == 0 ? broken : nil)
      }
    }
    for head in heads { ring[head.slot] = head.descriptor }
    if !ring.isPacked { ring.availableIndex = UInt16(truncatingIfNeeded: position) }
    let isSilent = broken?.isOfNotification == true && broken != .eventWithoutWrap
    if !isSilent, isAsked(from: start) { port.kick(0) }
    if let broken { meddle(broken, start) }
    wait(lengths)
    guard let broken, !isOver else { return }
    usleep(1500)
    // Each time another value, of what the device does not read.
    if broken == .writesUsedRing { ring.setUsedEntry(at: 0, id: 0, length: UInt32(round)) }
    if broken == .writesDeviceEvent { ring.store16(UInt16(round), ring.deviceArea, 0) }
  }

  /// Whether the device wants to be notified of what was made available from there on.
  private func isAsked(from start: Int) -> Bool {
    // With what it left in the used flags the device would not be notified of the first buffer.
    if fault == .usedFlagsLeft { return true }
    guard ring.isPacked else {
      guard features.contains(.eventIndex) else { return ring.usedFlags & 1 == 0 }
      let (old, new) = (UInt16(truncatingIfNeeded: start), UInt16(truncatingIfNeeded: position))
      let event = ring.availableEvent
      return fault == .eventWithoutWrap ? new > event && old <= event : new &- event &- 1 < new &- old
    }
    let (flags, at) = ring.deviceEvent
    guard flags == 2 else { return flags == 0 }
    let event = Int(at & 0x7fff) + (ring.wrap(at: start) == (at >> 15 == 1) ? 0 : Self.size)
    return (start % Self.size..<start % Self.size + position - start).contains(event)
  }

  /// The descriptors of a request: all of them, or one for a table.
  private func chain(_ number: Int, _ round: Int, _ fault: DriverFault?) -> [RawDescriptor] {
    let part = data.slice(at: number * 4096, byteCount: 4096)
    let sector = UInt64(round * Self.batch + number) % 64
    part.copyIn([UInt8](repeating: 0, count: 8) + (0..<8).map { UInt8(truncatingIfNeeded: sector >> ($0 * 8)) })
    let address = part.address.rawValue
    let header = RawDescriptor(address, fault == .shortHeader ? 8 : 16)
    var list = [
      header, RawDescriptor(address + 512, 512, flags: RawDescriptor.write),
      RawDescriptor(address + 1024, 1, flags: RawDescriptor.write),
    ]
    switch fault {
    case .longTable, .longPackedTable, .longList:
      // One more than the ring has; of a list as many, and the last says that it is not the last.
      let count = fault == .longList ? Self.size : Self.size + 1
      let block = RawDescriptor(address + 512, 32, flags: RawDescriptor.write)
      list = [header] + [RawDescriptor](repeating: block, count: count - 2) + [list[2]]
    case .writableFirst, .packedWritableFirst: list.swapAt(0, 1)
    case .tableInTable, .packedTableInTable: list[1].flags |= RawDescriptor.indirect
    default: break
    }
    let isNotNegotiated = fault == .tableNotNegotiated || fault == .packedTableNotNegotiated
    guard isNotNegotiated || features.contains(.indirectDescriptors) else { return list }
    let entries = fault == .tableInList ? Array(list.dropFirst()) : list
    var order = Array(entries.indices)
    if fault == .tableOutOfOrder { order.swapAt(1, 2) }
    let table = part.slice(at: 2048, byteCount: 16 * entries.count)
    for (entry, at) in zip(ring.isPacked ? entries : Self.linked(entries, order), order) {
      table.copyIn(entry.bytes(isPacked: ring.isPacked), at: 16 * at)
    }
    var head = RawDescriptor(table.address.rawValue, UInt32(table.byteCount), flags: RawDescriptor.indirect)
    if fault == .nextOnTable { head.flags |= RawDescriptor.next }
    return fault == .tableInList ? [header, head] : [head]
  }

  /// Descriptors that lead to each other at these offsets.
  private static func linked(_ chain: [RawDescriptor], _ offsets: [Int]) -> [RawDescriptor] {
    chain.enumerated().map { i, descriptor in
      var descriptor = descriptor
      if i + 1 < chain.count {
        descriptor.flags |= RawDescriptor.next
        descriptor.link = UInt16(offsets[i + 1])
      }
      return descriptor
    }
  }

  private mutating func writeSplit(_ chain: [RawDescriptor], first: Int, _ fault: DriverFault?) {
    var slots = chain.indices.map { first + $0 }
    if fault == .nextElsewhere { slots.swapAt(1, 2) }
    var chain = Self.linked(chain, slots)
    if fault == .loop {
      chain[2].flags |= RawDescriptor.next
      chain[2].link = UInt16(slots[1])
    }
    for (slot, descriptor) in zip(slots, chain) { ring[slot] = descriptor }
    ring.store16(UInt16(first), ring.driverArea, 4 + 2 * (position % Self.size))
    position += 1
  }

  /// Writes a list but for its first descriptor, which is returned.
  private mutating func writePacked(
    _ chain: [RawDescriptor], id: UInt16, isHeadFirst: Bool
  ) -> (slot: Int, descriptor: RawDescriptor) {
    var head = RawDescriptor(0, 0)
    for (i, descriptor) in chain.enumerated() {
      var descriptor = descriptor
      // One that is as long as the ring has no end.
      let isLast = i + 1 == chain.count && chain.count < Self.size
      descriptor.flags |= ring.availableFlags(at: position + i) | (isLast ? 0 : RawDescriptor.next)
      descriptor.link = id
      let slot = (position + i) % Self.size
      if i == 0 { head = descriptor }
      if i == 0, !isHeadFirst { continue }
      ring[slot] = descriptor
      guard i == 0 else { continue }
      port.kick(0)
      usleep(10_000)
    }
    defer { position += chain.count }
    return (position % Self.size, head)
  }

  /// Changes what the device has, between its two looks, and makes it as it was.
  private func meddle(_ fault: DriverFault, _ start: Int) {
    switch fault {
    case .indexBack:
      meeting.change {
        ring.availableIndex = UInt16(truncatingIfNeeded: position - 1)
      } undo: {
        ring.availableIndex = UInt16(truncatingIfNeeded: position)
      }
      port.kick(0)
    case .reusedEarly, .changedLater:
      let slot = start % Self.size
      let old = ring[slot]
      guard RingMemory.lapFlags(old.flags) == ring.availableFlags(at: start) else { return }
      var new = old
      // The id of a list's first descriptor means nothing.
      new.link = 0x7777
      if fault == .reusedEarly {
        new.flags =
          old.flags & ~(RawDescriptor.available | RawDescriptor.used)
          | ring.availableFlags(at: start + Self.size)
      }
      meeting.change {
        ring[slot] = new
      } undo: {
        ring[slot] = old
      }
      port.kick(0)
    default: break
    }
  }

  /// Waits until all that was made available has come back, or the device has gone.
  private mutating func wait(_ lengths: [Int]) {
    var left = lengths
    while used != position {
      do throws(PortEnd) { try port.wait(milliseconds: 1) } catch {
        isOver = true
        return
      }
      guard ring.isPacked else {
        used += Int(ring.usedIndex &- UInt16(truncatingIfNeeded: used))
        continue
      }
      let descriptor = ring[used % Self.size]
      guard RingMemory.lapFlags(descriptor.flags) == ring.usedFlags(at: used) else { continue }
      // Of lists of one length it does not matter which came back; with IN_ORDER one stands for others.
      let count = features.contains(.inOrder) ? Int(descriptor.link) + 1 - (lengths.count - left.count) : 1
      used += left.prefix(count).reduce(0, +)
      left.removeFirst(count)
    }
  }
}

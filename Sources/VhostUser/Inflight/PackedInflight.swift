internal import RingKit

/// Notes of what a packed queue has in flight, in the protocol's steps, so that another back-end can go on.
///
/// A buffer is published by itself: a used descriptor behind one that is not yet published would have taken the slot
/// of what the driver wrote there.
struct PackedInflight {
  private let memory: SharedMemory
  private let ring: PackedRing
  /// Copies of what was written last: the front-end can write here too.
  private var next: [UInt16]
  private var freeHead: UInt16 = 0
  private var counter: UInt64 = 0
  private var flight: [(id: UInt16, count: UInt16, head: UInt16, last: UInt16)] = []
  /// The one that is being published.
  private var publishingIndex = 0
  private var fetchPosition: WrapCounter
  private var used: WrapCounter

  // Behind version and number of entries: the head of the free list and the old one, the used index and the old one,
  // and the two wrap counters in a byte each.
  static let freeHeadOffset = 12
  static let oldFreeHeadOffset = 14
  static let usedOffset = 16
  static let oldUsedOffset = 18
  static let wrapsOffset = 20

  /// Takes a queue's part of the memory over, with nothing in flight.
  ///
  /// - Parameters:
  ///   - memory: the part.
  ///   - size: the entries that the memory was described with.
  ///   - ring: the queue's ring.
  ///   - position: the used position.
  ///   - next: where buffers are fetched from.
  init(_ memory: SharedMemory, size: Int, ring: PackedRing, at position: WrapCounter, fetching next: WrapCounter) {
    self.memory = memory
    self.ring = ring
    used = position
    fetchPosition = next
    self.next = (0..<size).map { UInt16($0 + 1 == size ? 0 : $0 + 1) }
    for entry in 0..<size {
      memory.store64(UInt64(self.next[entry]) << 16, Self.offset(entry))
      for word in 1..<4 { memory.store64(0, Self.offset(entry) + 8 * word) }
    }
    memory.store16(UInt16(size), InflightLayout.entryCount)
    memory.store16(0, Self.freeHeadOffset)
    store()
    memory.storeRelease16(InflightLayout.currentVersion, InflightLayout.version)
  }

  static func offset(_ entry: Int) -> Int {
    InflightLayout.header(packed: true) + entry * InflightLayout.entry(packed: true)
  }

  /// Forgets that the queue was ever used: it was stopped with nothing in flight.
  func retire() { memory.storeRelease16(0, InflightLayout.version) }

  /// A buffer was fetched, of that many descriptors from where the last one ended.
  mutating func fetched(descriptorCount: UInt16) {
    let descriptors = (0..<descriptorCount).map { _ in
      defer { fetchPosition.advance(by: 1, size: UInt16(ring.size)) }
      let offset = Int(fetchPosition.offset) * 16
      return (ring.descriptors.load64(offset), ring.descriptors.load64(offset + 8))
    }
    fetched(descriptors)
  }

  /// A buffer is in flight whose descriptors stood in the ring.
  mutating func fetched(_ descriptors: [(address: UInt64, word: UInt64)]) {
    let descriptorCount = UInt16(descriptors.count)
    let head = freeHead
    var last = freeHead
    memory.store64(counter, Self.offset(Int(head)) + 8)
    counter &+= 1
    for (address, word) in descriptors {
      last = freeHead
      let to = Self.offset(Int(last))
      // Length, id and flags stand in another order there.
      memory.store64((word >> 32) & 0xffff_ffff | word << 32, to + 16)
      memory.store64(address, to + 24)
      freeHead = next[Int(last)]
    }
    memory.store64(
      1 | UInt64(next[Int(head)]) << 16 | UInt64(last) << 32 | UInt64(descriptorCount) << 48, Self.offset(Int(head)))
    let id = UInt16(truncatingIfNeeded: (descriptors.last?.word ?? 0) >> 32)
    flight.append((id, descriptorCount, head, last))
    memory.store16(freeHead, Self.freeHeadOffset)
    memory.store16(freeHead, Self.oldFreeHeadOffset)
  }

  /// A buffer in flight is about to be published.
  mutating func publishing(_ id: UInt16, descriptorCount: UInt16) {
    // Where the driver changed an id between two looks at it, any buffer of that length will do.
    publishingIndex =
      flight.firstIndex { $0.id == id && $0.count == descriptorCount }
      ?? flight.firstIndex { $0.count == descriptorCount } ?? 0
    let (_, _, head, last) = flight[publishingIndex]
    next[Int(last)] = freeHead
    memory.store16(freeHead, Self.offset(Int(last)) + 2)
    freeHead = head
    memory.store16(freeHead, Self.freeHeadOffset)
    used.advance(by: descriptorCount, size: UInt16(ring.size))
    memory.store16(used.offset, Self.usedOffset)
    let old = memory.load16(Self.wrapsOffset) & 0xff00
    memory.store16(old | (used.wrap ? 1 : 0), Self.wrapsOffset)
  }

  /// It was.
  mutating func published() {
    let head = flight.remove(at: publishingIndex).head
    memory.store16(0, Self.offset(Int(head)))
    store()
  }

  /// Makes what is now what was.
  private func store() {
    let wrap: UInt16 = used.wrap ? 1 : 0
    memory.storeRelease16(freeHead, Self.oldFreeHeadOffset)
    memory.store16(used.offset, Self.usedOffset)
    memory.store16(used.offset, Self.oldUsedOffset)
    memory.store16(wrap | wrap << 8, Self.wrapsOffset)
  }
}

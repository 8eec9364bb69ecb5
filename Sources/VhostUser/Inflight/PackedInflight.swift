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

  /// Takes a queue's part of the memory over.
  ///
  /// Whenever this process dies in here, its successor finds the same buffers in flight.
  ///
  /// - Parameters:
  ///   - memory: the part.
  ///   - size: the entries that the memory was described with.
  ///   - ring: the queue's ring.
  ///   - position: the used position.
  ///   - next: where buffers are fetched from.
  ///   - again: the descriptors of those in flight that are not in the ring from there on, in the order they were
  ///     fetched; none where it has them all.
  init(
    _ memory: SharedMemory, size: Int, ring: PackedRing, at position: WrapCounter, fetching next: WrapCounter,
    again: [[RingDescriptor]]
  ) {
    self.memory = memory
    self.ring = ring
    used = position
    fetchPosition = next
    self.next = Array(repeating: 0, count: size)
    var chains: [Chain] = []
    if memory.load16(InflightLayout.version) == InflightLayout.currentVersion {
      chains = Self.settle(memory, size: size, at: position)
    }
    store()
    if chains.map(\.entries.count) != again.map(\.count) {
      // The ring has them, or the front-end changed them since they were read. The last one goes first: what is left
      // are the first ones, as the ring has them.
      for chain in chains.reversed() { memory.storeRelease16(0, Self.offset(Int(chain.head))) }
      chains = []
    }
    keep(chains, again)
    link(without: chains)
    if chains.isEmpty {
      for descriptors in again { note(UInt16(descriptors.count)) { _, index in descriptors[index] } }
    }
    memory.store16(UInt16(size), InflightLayout.entryCount)
    memory.storeRelease16(InflightLayout.currentVersion, InflightLayout.version)
  }

  /// What is in flight stays where it is noted.
  private mutating func keep(_ chains: [Chain], _ again: [[RingDescriptor]]) {
    for (chain, descriptors) in zip(chains, again) {
      for (entry, following) in zip(chain.entries, chain.entries.dropFirst()) { next[entry] = UInt16(following) }
      let last = chain.entries.last.map { UInt16($0) } ?? chain.head
      flight.append((Self.id(descriptors), UInt16(descriptors.count), chain.head, last))
      counter = max(counter, chain.counter &+ 1)
    }
  }

  /// All other entries are free, one leading to the next.
  private mutating func link(without chains: [Chain]) {
    let taken = Set(chains.flatMap(\.entries))
    var head = 0
    for entry in next.indices.reversed() where !taken.contains(entry) {
      next[entry] = UInt16(head)
      memory.store64(UInt64(head) << 16, Self.offset(entry))
      head = entry
    }
    freeHead = UInt16(head)
    memory.storeRelease16(freeHead, Self.freeHeadOffset)
    memory.storeRelease16(freeHead, Self.oldFreeHeadOffset)
  }

  static func offset(_ entry: Int) -> Int {
    InflightLayout.header(packed: true) + entry * InflightLayout.entry(packed: true)
  }

  /// Forgets that the queue was ever used: it was stopped with nothing in flight.
  func retire() { memory.storeRelease16(0, InflightLayout.version) }

  /// A buffer was fetched, of that many descriptors from where the last one ended.
  mutating func fetched(descriptorCount: UInt16) {
    note(descriptorCount) { notes, _ in
      defer { notes.fetchPosition.advance(by: 1, size: UInt16(notes.ring.size)) }
      let offset = Int(notes.fetchPosition.offset) * 16
      return (notes.ring.descriptors.load64(offset), notes.ring.descriptors.load64(offset + 8))
    }
  }

  /// A buffer is in flight whose descriptors are given one by one.
  private mutating func note(_ count: UInt16, _ descriptor: (inout PackedInflight, Int) -> RingDescriptor) {
    let head = freeHead
    var (last, id) = (freeHead, 0 as UInt16)
    memory.store64(counter, Self.offset(Int(head)) + 8)
    counter &+= 1
    for index in 0..<Int(count) {
      let (address, word) = descriptor(&self, index)
      last = freeHead
      id = UInt16(truncatingIfNeeded: word >> 32)
      let to = Self.offset(Int(last))
      // Length, id and flags stand in another order there.
      memory.store64((word >> 32) & 0xffff_ffff | word << 32, to + 16)
      memory.store64(address, to + 24)
      freeHead = next[Int(last)]
    }
    memory.storeRelease64(
      1 | UInt64(next[Int(head)]) << 16 | UInt64(last) << 32 | UInt64(count) << 48, Self.offset(Int(head)))
    flight.append((id, count, head, last))
    memory.storeRelease16(freeHead, Self.freeHeadOffset)
    memory.storeRelease16(freeHead, Self.oldFreeHeadOffset)
  }

  private static func id(_ descriptors: [RingDescriptor]) -> UInt16 {
    UInt16(truncatingIfNeeded: (descriptors.last?.word ?? 0) >> 32)
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
    memory.storeRelease16(0, Self.offset(Int(head)))
    memory.storeRelease16(freeHead, Self.oldFreeHeadOffset)
    store()
  }

  /// Makes the used position what it was, too, in one store: half of it would be another position.
  private func store() {
    let (offset, wrap) = (UInt64(used.offset), used.wrap ? 1 : 0 as UInt64)
    memory.storeRelease64(offset | offset << 16 | wrap << 32 | wrap << 40, Self.usedOffset)
  }
}

internal import RingKit

/// A descriptor of a packed ring, as it stood there: its address, and the word behind it.
typealias RingDescriptor = (address: UInt64, word: UInt64)

/// A buffer that a queue fetched and did not give back, as far as its successor needs it to fetch it anew.
struct FlightEntry {
  /// The head in a split ring, the buffer id in a packed one.
  let id: UInt16
  /// Of a packed ring, its descriptors.
  let descriptors: [RingDescriptor]

  /// A buffer of a split ring.
  init(head: UInt16) { (id, descriptors) = (head, []) }

  /// A buffer of a packed ring.
  init(_ descriptors: [RingDescriptor]) {
    id = UInt16(truncatingIfNeeded: (descriptors.last?.word ?? 0) >> 32)
    self.descriptors = descriptors
  }

  /// Descriptors, or entries of a split ring, that it occupies.
  var descriptorCount: UInt16 { UInt16(max(descriptors.count, 1)) }
}

/// What a queue has in flight, in the order it was fetched.
///
/// As long as buffers are completed in that order, the ring has them where a successor begins. Once one was completed
/// before another the ring does not tell any more: then descriptors are kept here until nothing is in flight.
struct Flight: ~Copyable {
  /// Fetched and not given back; `written` of one that is done with, and with IN_ORDER kept until those before it are.
  private var chains = PlainList<(chain: DeviceChain, written: UInt32?)>()
  /// The descriptors of each, in a packed ring while ``isShuffled``.
  private var copies: [[RingDescriptor]] = []
  /// What a predecessor had in flight, to be fetched before anything else.
  private(set) var again: [FlightEntry]
  /// Whether the ring does not tell what is in flight.
  private(set) var isShuffled: Bool
  /// The ring, if it is packed.
  private let ring: PackedRing?

  init(again: [FlightEntry], ring: PackedRing?) {
    self.again = again
    self.ring = ring
    isShuffled = !again.isEmpty
  }

  /// Everything that a successor has to fetch anew, and does not find in the ring.
  var pending: [FlightEntry] {
    if !isShuffled { return [] }
    var entries: [FlightEntry] = []
    for i in 0..<chains.count {
      entries.append(ring == nil ? FlightEntry(head: chains[i].chain.id) : FlightEntry(copies[i]))
    }
    return entries + again
  }

  /// A buffer was fetched from the ring.
  ///
  /// In a packed ring `end` is the offset behind it.
  mutating func fetched(_ chain: DeviceChain, end: WrapCounter) {
    chains.append((chain, nil))
    guard isShuffled, let ring else { return }
    var position = end
    position.retreat(by: chain.descriptorCount, size: UInt16(ring.size))
    copies.append(Self.copy(chain.descriptorCount, ring, from: &position))
  }

  /// The first of ``again`` was fetched.
  mutating func fetchedAgain(_ chain: DeviceChain) {
    chains.append((chain, nil))
    let entry = again.removeFirst()
    if ring != nil { copies.append(entry.descriptors) }
  }

  /// Which one a chain is; `nil` when it is none of them.
  ///
  /// Mutating, or all of this is copied for it.
  mutating func index(of chain: DeviceChain) -> Int? {
    for i in 0..<chains.count {
      let entry = chains[i]
      guard entry.chain.id == chain.id, entry.written == nil else { continue }
      if entry.chain.descriptorCount == chain.descriptorCount { return i }
    }
    return nil
  }

  /// One is about to be given back.
  ///
  /// In a packed ring `end` is the offset behind all that was fetched.
  mutating func remove(at index: Int, end: WrapCounter) {
    if index != 0, !isShuffled { shuffle(end) }
    chains.remove(at: index)
    guard isShuffled else { return }
    if ring != nil { copies.remove(at: index) }
    if chains.count == 0 && again.isEmpty { isShuffled = false }
  }

  /// Copies the descriptors of all that is in flight, before the first used one is written over them.
  private mutating func shuffle(_ end: WrapCounter) {
    isShuffled = true
    guard let ring else { return }
    var position = end
    for i in (0..<chains.count).reversed() {
      position.retreat(by: chains[i].chain.descriptorCount, size: UInt16(ring.size))
    }
    for i in 0..<chains.count {
      copies.append(Self.copy(chains[i].chain.descriptorCount, ring, from: &position))
    }
  }

  /// With IN_ORDER one is done with before those in front of it.
  mutating func keep(at index: Int, written: UInt32) { chains[index].written = written }

  /// The oldest, if it is done with.
  var firstKept: (chain: DeviceChain, written: UInt32)? {
    guard chains.count > 0, let written = chains[0].written else { return nil }
    return (chains[0].chain, written)
  }

  private static func copy(
    _ count: UInt16, _ ring: PackedRing, from position: inout WrapCounter
  ) -> [RingDescriptor] {
    (0..<count).map { _ in
      defer { position.advance(by: 1, size: UInt16(ring.size)) }
      let offset = Int(position.offset) * 16
      return (ring.descriptors.load64(offset), ring.descriptors.load64(offset + 8))
    }
  }
}

package import RingKit

/// A violation of one rule by a peer, in a ring of at least four descriptors.
package struct Lie<Stage>: Sendable, CustomStringConvertible {
  /// The rule and what is done about it.
  package let description: String
  /// What has to be negotiated for it.
  package let features: VirtioFeatures
  /// Entries of an indirect table that has to lie at the stage's table; their addresses are filled in by the peer.
  package let table: [RawDescriptor]
  /// Tells it.
  ///
  /// - Returns: what a queue that does not believe it throws.
  package let tell: @Sendable (Stage) -> QueueError

  init(
    _ description: String, _ features: VirtioFeatures = [], table: [RawDescriptor] = [],
    expecting tell: @escaping @Sendable (Stage) -> QueueError
  ) {
    (self.description, self.features, self.table, self.tell) = (description, features, table, tell)
  }

  init(
    _ description: String, _ features: VirtioFeatures = [], table: [RawDescriptor] = [],
    _ tell: @escaping @Sendable (Stage) -> RingViolation
  ) {
    self.init(description, features, table: table, expecting: { .violation(tell($0)) })
  }
}

/// What a hostile driver has to do with: a ring that is idle.
package struct DriverStage: Sendable {
  package let ring: RingMemory
  /// Buffers, in a packed ring descriptors, that went round before.
  package let position: Int
  /// Where at least 1024 bytes may be read.
  package let readable: UInt64
  /// Where at least 1024 bytes may be written.
  package let writable: UInt64
  /// Where the lie's table lies.
  package let table: UInt64
  /// The first address behind the guest's memory.
  package let end: UInt64
  /// Any number: how a lie is told that can be told in several ways.
  package let variation: Int

  package init(
    _ ring: RingMemory, position: Int, readable: UInt64, writable: UInt64, table: UInt64, end: UInt64, variation: Int
  ) {
    (self.ring, self.position, self.readable, self.writable) = (ring, position, readable, writable)
    (self.table, self.end, self.variation) = (table, end, variation)
  }

  var size: Int { ring.size }
  /// The next available index of a split ring.
  var index: UInt16 { UInt16(truncatingIfNeeded: position) }

  /// A descriptor of a split ring, in a slot.
  func put(_ slot: Int, _ length: UInt32, flags: UInt16 = 0, next: Int = 0, at address: UInt64? = nil) {
    ring[slot] = RawDescriptor(address ?? home(of: flags), length, flags: flags, link: UInt16(next))
  }

  /// An available descriptor of a packed ring, so many behind the next.
  func put(packed offset: Int, _ length: UInt32, flags: UInt16 = 0, at address: UInt64? = nil) {
    let at = position + offset
    ring[at % size] = RawDescriptor(
      address ?? home(of: flags), length, flags: flags | ring.availableFlags(at: at), link: 0)
  }

  /// The flags of a packed descriptor as a queue reads them.
  func flags(packed offset: Int, _ flags: UInt16) -> UInt64 {
    UInt64(flags | ring.availableFlags(at: position + offset))
  }

  /// One descriptor, available, of either layout.
  func offer(_ length: UInt32, flags: UInt16 = 0, at address: UInt64) {
    guard !ring.isPacked else { return put(packed: 0, length, flags: flags, at: address) }
    put(0, length, flags: flags, at: address)
    ring.offer(0)
  }

  private func home(of flags: UInt16) -> UInt64 { flags & RawDescriptor.write != 0 ? writable : readable }
}

/// What a hostile device has to do with: buffers in flight, none of which it holds.
package struct DeviceStage: Sendable {
  package let ring: RingMemory
  /// Buffers, in a packed ring descriptors, that went round before.
  package let position: Int
  /// What is in flight and published, oldest first; at least one.
  package let inFlight: [RingMemory.Chain]
  /// Any number: how a lie is told that can be told in several ways.
  package let variation: Int

  package init(_ ring: RingMemory, position: Int, variation: Int) {
    (self.ring, self.position, self.variation) = (ring, position, variation)
    inFlight = ring.chains(from: position)
  }

  var index: UInt16 { UInt16(truncatingIfNeeded: position) }

  /// An id that a buffer could have and none in flight has; `nil` where there is none.
  var idle: UInt16? {
    let taken = Set(inFlight.map(\.id))
    return (0..<UInt16(ring.size)).reversed().first { !taken.contains($0) }
  }

  /// Uses a buffer, so many descriptors (split: entries) behind the next; the split ring's index is not moved.
  func use(_ offset: Int = 0, id: UInt32, length: UInt32 = 0) {
    if ring.isPacked {
      let at = position + offset
      let flags = ring.usedFlags(at: at) | (length > 0 ? RawDescriptor.write : 0)
      ring[at % ring.size] = RawDescriptor(
        ring[at % ring.size].address, length, flags: flags, link: UInt16(truncatingIfNeeded: id))
    } else {
      ring.setUsedEntry(at: index &+ UInt16(offset), id: id, length: length)
    }
  }

  /// Moves the used index of a split ring behind what was used; a packed ring has none.
  func moveUsedIndex(_ count: UInt16) {
    if !ring.isPacked { ring.usedIndex = index &+ count }
  }
}

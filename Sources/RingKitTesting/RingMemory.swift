internal import CRing
package import RingKit

/// One descriptor as a peer writes it, right or wrong.
package struct RawDescriptor: Equatable, Sendable {
  package var address: UInt64
  package var length: UInt32
  package var flags: UInt16
  /// `next` of a split ring's descriptor, the buffer id of a packed one's.
  package var link: UInt16

  package static let next: UInt16 = 1
  package static let write: UInt16 = 2
  package static let indirect: UInt16 = 4
  /// AVAIL, of a packed ring.
  package static let available: UInt16 = 0x80
  /// USED, of a packed ring.
  package static let used: UInt16 = 0x8000

  package init(_ address: UInt64, _ length: UInt32, flags: UInt16 = 0, link: UInt16 = 0) {
    (self.address, self.length, self.flags, self.link) = (address, length, flags, link)
  }

  init(_ address: UInt64, word: UInt64, isPacked: Bool) {
    let (low, high) = (UInt16(truncatingIfNeeded: word >> 32), UInt16(truncatingIfNeeded: word >> 48))
    self.init(address, UInt32(truncatingIfNeeded: word), flags: isPacked ? high : low, link: isPacked ? low : high)
  }

  func word(isPacked: Bool) -> UInt64 {
    let (low, high) = isPacked ? (link, flags) : (flags, link)
    return UInt64(length) | UInt64(low) << 32 | UInt64(high) << 48
  }

  /// The sixteen bytes, as an entry of an indirect table.
  package func bytes(isPacked: Bool) -> [UInt8] {
    [address, word(isPacked: isPacked)].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
  }
}

/// A ring's memory as virtio 1.2, 2.7 and 2.8 lay it out: for an observer, or for a peer that keeps no rule.
///
/// Shares no code with RingKit's rings. Each access is one atomic load or store, so that those of a thread that works
/// on the ring are no race.
package struct RingMemory: Sendable {
  package let isPacked: Bool
  package let size: Int
  /// The descriptor table or ring.
  package let descriptors: GuestBuffer
  /// The available ring, or the driver's event suppression.
  package let driverArea: GuestBuffer
  /// The used ring, or the device's event suppression.
  package let deviceArea: GuestBuffer

  /// A ring in one buffer, its parts at multiples of 128 as `SplitRing` and `PackedRing` put them.
  package init(in buffer: GuestBuffer, isPacked: Bool, size: Int) {
    func after(_ bytes: Int) -> Int { (bytes + 127) & ~127 }
    let driver = after(16 * size)
    let driverBytes = isPacked ? 4 : 6 + 2 * size
    self.init(
      [
        buffer.slice(at: 0, byteCount: 16 * size), buffer.slice(at: driver, byteCount: driverBytes),
        buffer.slice(at: after(driver + driverBytes), byteCount: isPacked ? 4 : 6 + 8 * size),
      ], isPacked: isPacked, size: size)
  }

  /// A ring of three parts: descriptors, driver area, device area.
  package init(_ parts: [GuestBuffer], isPacked: Bool, size: Int) {
    (descriptors, driverArea, deviceArea) = (parts[0], parts[1], parts[2])
    (self.isPacked, self.size) = (isPacked, size)
  }

  func load16(_ part: GuestBuffer, _ offset: Int) -> UInt16 {
    // SAFETY: slices check the range; parts are aligned as the specification has it.
    unsafe cring_load_acquire_16(part.slice(at: offset, byteCount: 2).host.pointer)
  }

  func store16(_ value: UInt16, _ part: GuestBuffer, _ offset: Int) {
    // SAFETY: as above.
    unsafe cring_store_release_16(part.slice(at: offset, byteCount: 2).host.pointer, value)
  }

  private func load32(_ part: GuestBuffer, _ offset: Int) -> UInt32 {
    // SAFETY: as above.
    unsafe cring_load_relaxed_32(part.slice(at: offset, byteCount: 4).host.pointer)
  }

  private func store32(_ value: UInt32, _ part: GuestBuffer, _ offset: Int) {
    // SAFETY: as above.
    unsafe cring_store_relaxed_32(part.slice(at: offset, byteCount: 4).host.pointer, value)
  }

  private func load64(_ part: GuestBuffer, _ offset: Int) -> UInt64 {
    // SAFETY: as above.
    unsafe cring_load_acquire_64(part.slice(at: offset, byteCount: 8).host.pointer)
  }

  package func store64(_ value: UInt64, _ part: GuestBuffer, _ offset: Int) {
    // SAFETY: as above.
    unsafe cring_store_release_64(part.slice(at: offset, byteCount: 8).host.pointer, value)
  }

  /// A descriptor of the ring; of a packed one the flags are written last.
  package subscript(slot: Int) -> RawDescriptor {
    get {
      let word = load64(descriptors, 16 * slot + 8)
      return RawDescriptor(load64(descriptors, 16 * slot), word: word, isPacked: isPacked)
    }
    nonmutating set {
      store64(newValue.address, descriptors, 16 * slot)
      store64(newValue.word(isPacked: isPacked), descriptors, 16 * slot + 8)
    }
  }

  // MARK: split

  package var availableFlags: UInt16 {
    get { load16(driverArea, 0) }
    nonmutating set { store16(newValue, driverArea, 0) }
  }
  package var availableIndex: UInt16 {
    get { load16(driverArea, 2) }
    nonmutating set { store16(newValue, driverArea, 2) }
  }
  package var usedEvent: UInt16 {
    get { load16(driverArea, 4 + 2 * size) }
    nonmutating set { store16(newValue, driverArea, 4 + 2 * size) }
  }
  package var usedFlags: UInt16 {
    get { load16(deviceArea, 0) }
    nonmutating set { store16(newValue, deviceArea, 0) }
  }
  package var usedIndex: UInt16 {
    get { load16(deviceArea, 2) }
    nonmutating set { store16(newValue, deviceArea, 2) }
  }
  package var availableEvent: UInt16 {
    get { load16(deviceArea, 4 + 8 * size) }
    nonmutating set { store16(newValue, deviceArea, 4 + 8 * size) }
  }

  /// The head at a position of the available ring.
  package func head(at index: UInt16) -> UInt16 { load16(driverArea, 4 + 2 * (Int(index) % size)) }

  /// Makes a head available as a driver would.
  package func offer(_ head: UInt16) {
    let index = availableIndex
    store16(head, driverArea, 4 + 2 * (Int(index) % size))
    availableIndex = index &+ 1
  }

  /// The used entry at a position.
  package func usedEntry(at index: UInt16) -> (id: UInt32, length: UInt32) {
    let offset = 4 + 8 * (Int(index) % size)
    return (load32(deviceArea, offset), load32(deviceArea, offset + 4))
  }

  /// Writes the used entry at a position; the index stays where it is.
  package func setUsedEntry(at index: UInt16, id: UInt32, length: UInt32) {
    let offset = 4 + 8 * (Int(index) % size)
    store32(id, deviceArea, offset)
    store32(length, deviceArea, offset + 4)
  }

  // MARK: packed

  /// Whether the position, counted in descriptors from the ring's start, is on a lap with the wrap counter set.
  func wrap(at position: Int) -> Bool { position / size % 2 == 0 }

  /// AVAIL and USED of an available descriptor at a position.
  func availableFlags(at position: Int) -> UInt16 {
    wrap(at: position) ? RawDescriptor.available : RawDescriptor.used
  }

  /// AVAIL and USED of a used descriptor at a position.
  func usedFlags(at position: Int) -> UInt16 {
    wrap(at: position) ? RawDescriptor.available | RawDescriptor.used : 0
  }

  /// AVAIL and USED of a descriptor.
  static func lapFlags(_ flags: UInt16) -> UInt16 { flags & (RawDescriptor.available | RawDescriptor.used) }

  // MARK: either

  /// A buffer that the driver made available.
  package struct Chain {
    /// The head, or the buffer id.
    package var id: UInt16
    /// Its descriptors, in order, as far as the ring itself holds them.
    package var descriptors: [RawDescriptor]

    /// Bytes the device may write, as its descriptors have it.
    package var capacity: UInt32 {
      let bytes = descriptors.filter { $0.flags & RawDescriptor.write != 0 }.reduce(0) { $0 + UInt64($1.length) }
      return UInt32(clamping: bytes)
    }
  }

  /// The buffer at a position: buffers made available before it, or in a packed ring descriptors.
  ///
  /// - Returns: the buffer; `nil` where none is available. A chain with a loop has one descriptor more than the ring.
  package func chain(at position: Int) -> Chain? {
    var found: [RawDescriptor] = []
    if isPacked {
      while found.count <= size {
        let descriptor = self[(position + found.count) % size]
        guard Self.lapFlags(descriptor.flags) == availableFlags(at: position + found.count) else { return nil }
        found.append(descriptor)
        if descriptor.flags & RawDescriptor.next == 0 { break }
      }
      return Chain(id: found[found.count - 1].link, descriptors: found)
    }
    let index = UInt16(truncatingIfNeeded: position)
    if availableIndex == index { return nil }
    let head = head(at: index)
    var slot = Int(head)
    while found.count <= size, slot < size {
      found.append(self[slot])
      guard let last = found.last, last.flags & RawDescriptor.next != 0 else { break }
      slot = Int(last.link)
    }
    return Chain(id: head, descriptors: found)
  }

  /// Everything available from a position on, at most as many as the ring has descriptors.
  package func chains(from position: Int) -> [Chain] {
    var (all, at): ([Chain], Int) = ([], position)
    while all.count < size, let chain = chain(at: at) {
      all.append(chain)
      at += isPacked ? chain.descriptors.count : 1
    }
    return all
  }
}

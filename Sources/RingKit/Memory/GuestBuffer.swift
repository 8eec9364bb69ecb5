/// A range of a region that is reserved for one purpose: a ring, a payload, a table.
///
/// Keeps its region mapped.
public struct GuestBuffer: Sendable {
  /// The region it lies in.
  public let region: MemoryRegion
  /// Where it starts for the guest.
  public let address: GuestPhysicalAddress
  /// Its size in bytes.
  public let byteCount: Int

  init(region: MemoryRegion, offset: Int, byteCount: Int) {
    self.region = region
    self.address = GuestPhysicalAddress(region.guestBase.rawValue &+ UInt64(offset))
    self.byteCount = byteCount
  }

  /// Where it is mapped in this process.
  public var host: HostAddress {
    unsafe region.hostBase.advanced(by: Int(address.rawValue &- region.guestBase.rawValue))
  }

  /// The bytes, for the thread that owns them now.
  @unsafe
  public var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: host.pointer, count: byteCount)
  }

  /// `length` bytes from `offset` on, as a segment of a buffer.
  ///
  /// The range must lie inside the buffer.
  public func segment(at offset: Int = 0, length: Int) -> MemorySegment {
    precondition(
      offset >= 0 && length >= 0 && offset <= byteCount && length <= byteCount - offset,
      "a segment of \(length) bytes at \(offset) is not inside a buffer of \(byteCount) bytes")
    return MemorySegment(GuestPhysicalAddress(address.rawValue &+ UInt64(offset)), length: UInt32(length))
  }
}

extension GuestBuffer {
  /// The whole of a region.
  public init(whole region: MemoryRegion) { self.init(region: region, offset: 0, byteCount: region.byteCount) }

  /// A part of the buffer, as a buffer.
  ///
  /// The range must lie inside it.
  public func slice(at offset: Int, byteCount count: Int) -> GuestBuffer {
    precondition(
      offset >= 0 && count >= 0 && offset <= byteCount && count <= byteCount - offset,
      "\(count) bytes at \(offset) are not inside a buffer of \(byteCount) bytes")
    let base = Int(address.rawValue &- region.guestBase.rawValue)
    return GuestBuffer(region: region, offset: base + offset, byteCount: count)
  }
}

/// Carves buffers out of a region, one after the other, for as long as the region lives.
///
/// For set-up, not for the data path: nothing is ever given back. Owned by one thread.
package struct RegionAllocator: Sendable {
  /// The region that is carved.
  package let region: MemoryRegion
  private var offset = 0

  /// Starts at the region's first byte.
  package init(_ region: MemoryRegion) { self.init(region, from: 0) }

  init(_ region: MemoryRegion, from offset: Int) {
    self.region = region
    self.offset = offset
  }

  /// Bytes not yet handed out.
  package var available: Int { region.byteCount - offset }

  /// The next `byteCount` bytes at a guest-physical address that is a multiple of `alignment`.
  ///
  /// - Throws: ``MemoryError/exhausted(requested:available:)`` or ``MemoryError/invalidAlignment(_:)``.
  package mutating func allocate(_ byteCount: Int, alignment: Int = 64) throws(MemoryError) -> GuestBuffer {
    guard alignment > 0, alignment & (alignment - 1) == 0 else { throw .invalidAlignment(alignment) }
    guard byteCount > 0 else { throw .invalidSize(byteCount) }
    let misalignment = Int((region.guestBase.rawValue &+ UInt64(offset)) & UInt64(alignment - 1))
    let padding = misalignment == 0 ? 0 : alignment - misalignment
    guard available >= padding, available - padding >= byteCount else {
      throw .exhausted(requested: byteCount, available: max(available - padding, 0))
    }
    offset += padding
    defer { offset += byteCount }
    return GuestBuffer(region: region, offset: offset, byteCount: byteCount)
  }
}

extension GuestBuffer {
  /// One byte; a trap beyond the buffer's end.
  public subscript(offset: Int) -> UInt8 {
    get {
      precondition(offset >= 0 && offset < byteCount, "byte \(offset) is not inside a buffer of \(byteCount) bytes")
      return unsafe bytes[offset]
    }
    nonmutating set {
      precondition(offset >= 0 && offset < byteCount, "byte \(offset) is not inside a buffer of \(byteCount) bytes")
      unsafe bytes[offset] = newValue
    }
  }

  /// Copies bytes into the buffer, from `offset` on; they must fit.
  public func copyIn(_ source: [UInt8], at offset: Int = 0) {
    let part = slice(at: offset, byteCount: source.count)
    // SAFETY: the slice was checked, and holds as many bytes as the source.
    unsafe source.withUnsafeBytes { unsafe part.bytes.copyMemory(from: $0) }
  }

  /// A copy of `count` bytes from `offset` on, or of all that follow; they must be inside the buffer.
  public func copyOut(at offset: Int = 0, byteCount count: Int? = nil) -> [UInt8] {
    let part = slice(at: offset, byteCount: count ?? byteCount - offset)
    return unsafe [UInt8](part.bytes)
  }
}

extension GuestBuffer {
  /// A part of a ring: its bytes, if it has as many and starts at a multiple of the alignment here and in the guest.
  func ringPart(_ needed: Int, alignment: Int) throws(ConfigurationError) -> SharedMemory {
    guard byteCount >= needed else { throw .memoryTooSmall(available: byteCount, needed: needed) }
    guard address.rawValue % UInt64(alignment) == 0, host.rawValue % UInt(alignment) == 0 else {
      throw .misaligned(address, alignment: alignment)
    }
    return unsafe SharedMemory(host, byteCount: byteCount)
  }
}

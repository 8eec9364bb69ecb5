// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing

/// DMA path `identity`: the guest-physical address itself, by way of the DMA API on a platform without an IOMMU.
///
/// "Virtio uses the DMA API for all devices": each map and each unmap is a call through the device's table of
/// operations, which compares the segment with the device's addressing limit and changes nothing. Owned by one thread.
///
/// Does not check that the segment is memory, as the DMA API does not; the device's side does. It remembers address and
/// length, which the unmap operation is given, but not which mappings are outstanding: undoing one twice goes
/// unnoticed.
@frozen @safe
public struct IdentityMapper<Counter: WorkCounter>: PairedPath, ~Copyable {
  /// What this mapper and the queue around it did.
  public var work: Counter

  @usableFromInline let operations: UnsafePointer<cring_dma_ops>
  @usableFromInline let device: UnsafeMutablePointer<cring_dma_device>
  @usableFromInline let isRetpoline: Bool
  // Frees what `device` points to. Not a deinit of the mapper's own: Swift 6.3 does not run that where another module
  // ends the mapper, because every field of it is trivial.
  private let owner: IdentityDevice
  private let memory: GuestMemory

  /// A mapper for a device that reaches addresses up to `limit`.
  ///
  /// - Parameters:
  ///   - memory: what the device's side reaches: the shared regions.
  ///   - limit: the highest address the device can put on the bus (Linux: the smaller of `dma_mask` and
  ///     `bus_dma_limit`).
  ///   - counter: counts the work.
  public init(memory: GuestMemory, limit: UInt64 = .max, counter: Counter) {
    self.init(memory, limit: limit, isRetpoline: false, counter)
  }

  /// A mapper whose operations are called in a way of one's own.
  package init(
    memory: GuestMemory, limit: UInt64 = .max, dispatch: IdentityDispatch, counter: Counter
  ) throws(ConfigurationError) {
    guard dispatch == .indirect || cring_has_retpoline() else { throw .retpolineUnavailable }
    self.init(memory, limit: limit, isRetpoline: dispatch == .retpoline, counter)
  }

  private init(_ memory: GuestMemory, limit: UInt64, isRetpoline: Bool, _ counter: Counter) {
    unsafe operations = unsafe cring_dma_identity_ops()
    owner = IdentityDevice(limit: limit)
    unsafe device = unsafe owner.pointer
    self.isRetpoline = isRetpoline
    self.memory = memory
    work = counter
  }

  /// A look-up among the shared regions.
  public func makeTranslator() -> RegionTranslator<Counter> { RegionTranslator(memory: memory, counter: Counter()) }

  /// How the operations are called.
  package var dispatch: IdentityDispatch { isRetpoline ? .retpoline : .indirect }

  /// The highest address the device can put on the bus.
  public var limit: UInt64 { unsafe device.pointee.limit }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes.
  @inlinable
  public static var unmapped: MemorySegment { MemorySegment(GuestPhysicalAddress(0), length: 0) }

  /// Asks the map operation, which answers with the segment's own address.
  ///
  /// - Throws: ``DMAError/beyondMask(_:limit:)``, or ``DMAError/outOfBounds(_:)`` for an empty segment.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: MemorySegment) {
    let length = UInt64(segment.length)
    let code = UInt32(direction.rawValue)
    // SAFETY: the table is static and the device lives as long as its owner.
    let bus =
      if isRetpoline {
        unsafe cring_dma_map_retpoline(device, segment.address.rawValue, length, code, operations.pointee.map)
      } else {
        unsafe cring_dma_map(operations, device, segment.address.rawValue, length, code)
      }
    guard bus != UInt64.max else { throw refusal(of: segment) }
    work.add(.maps, 1)
    return (IOVA(bus), MemorySegment(GuestPhysicalAddress(bus), length: segment.length))
  }

  /// Calls the unmap operation, which has nothing to do on a coherent platform.
  ///
  /// - Throws: ``DMAError/notMapped(_:)`` for ``unmapped``.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: MemorySegment, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    guard mapping.length != 0 else { throw notMapped(mapping) }
    let length = UInt64(mapping.length)
    let code = UInt32(direction.rawValue)
    // SAFETY: the table is static and the device lives as long as its owner.
    if isRetpoline {
      unsafe cring_dma_unmap_retpoline(device, mapping.address.rawValue, length, code, operations.pointee.unmap)
    } else {
      unsafe cring_dma_unmap(operations, device, mapping.address.rawValue, length, code)
    }
    work.add(.unmaps, 1)
    return 0
  }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}

  @usableFromInline @inline(never)
  func refusal(of segment: MemorySegment) -> DMAError {
    segment.length == 0 ? .outOfBounds(segment) : .beyondMask(segment, limit: limit)
  }

  @usableFromInline @inline(never)
  func notMapped(_ mapping: MemorySegment) -> DMAError { .notMapped(IOVA(untranslated: mapping.address)) }
}

extension IdentityMapper where Counter == UncountedWork {
  /// A mapper for a device that reaches every address; counts nothing.
  public init(_ memory: GuestMemory) {
    self.init(memory, limit: .max, isRetpoline: false, UncountedWork())
  }
}

extension IdentityMapper: ResumableMapper {
  /// The segment's own address.
  public func address(of mapping: MemorySegment, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    guard mapping.length == segment.length, mapping.length != 0,
      mapping.address == segment.address
    else { throw notMapped(mapping) }
    return IOVA(untranslated: segment.address)
  }

  /// Asks the map operation once more; its answer has to be the same.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> MemorySegment {
    guard address == IOVA(untranslated: segment.address) else { throw .notResumable(segment, at: address) }
    return try map(segment, direction).mapping
  }
}

/// Owns what an ``IdentityMapper``'s operations know of the device.
@safe
@usableFromInline
final class IdentityDevice: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<cring_dma_device>

  init(limit: UInt64) {
    unsafe pointer = UnsafeMutablePointer<cring_dma_device>.allocate(capacity: 1)
    unsafe pointer.initialize(to: cring_dma_device(limit: limit))
  }

  deinit { unsafe pointer.deallocate() }
}

/// How ``IdentityMapper`` reaches its table of operations.
package enum IdentityDispatch: String, Sendable, CaseIterable {
  /// A plain indirect call.
  case indirect
  /// A retpoline, as kernels use on CPUs whose indirect branches can be mistrained; built for x86-64 only.
  case retpoline
}

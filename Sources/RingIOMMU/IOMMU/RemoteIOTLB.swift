public import RingKit

/// An IOTLB in another process: its device is told what to forget, and asks where an address leads.
///
/// For the side that owns the page table and speaks with the device over a connection (vhost-user's IOTLB messages). As
/// with every translator, an unmap of ``IOMMUPolicy/strict`` returns only after the device has forgotten. In a domain
/// that is ``InvalidationServer/waiter`` it is told on the thread that unmaps; otherwise some other thread calls
/// ``service()`` often, because drivers wait for it.
///
/// Counts as one of the 16 translators of a domain until ``detach()``. It does not see whether the device keeps what it
/// said.
@safe
public final class RemoteIOTLB: @unchecked Sendable {
  /// Tells the device to forget a range, and says whether it confirmed that.
  ///
  /// May ask for a ``translation(of:)``; must not map or unmap.
  public typealias Forget = (IOMMURange) -> Bool

  private let domain: IOMMUDomain
  private let forget: Forget
  private var server: Int?
  /// Descriptors of the invalidation queue taken so far.
  var served: UInt64 = 0

  /// Attaches a device that has cached nothing yet; one translator more than 16 stops the process.
  ///
  /// - Parameters:
  ///   - domain: the device's address space.
  ///   - forget: called for each invalidation, in order, on the thread that serves.
  public init(domain: IOMMUDomain, forget: @escaping Forget) {
    self.domain = domain
    self.forget = forget
    server = domain.core.invalidations.attach(self)
  }

  deinit { detach() }

  /// Ends the waiting for this device, which from now on reaches nothing; done before, nothing.
  public func detach() {
    if let server { domain.core.invalidations.detach(server) }
    server = nil
  }

  /// Takes what the drivers want forgotten.
  ///
  /// - Returns: false when the device did not confirm: the waiting driver gets `DMAError.deviceUnreachable` or
  ///   waits in vain.
  public func service() -> Bool {
    guard let server else { return true }
    return domain.core.invalidations.serve(self, server)
  }

  /// Where an address leads now, as far as one leaf says; `nil` when nothing is mapped there.
  ///
  /// What a device that missed is answered. Any thread may ask that is not kept from the next invalidation by it.
  public func translation(of address: IOVA) -> IOMMUTranslation? {
    let core = domain.core
    let (entry, level) = core.pageTable.walk(address.rawValue >> IOMMUPage.shift)
    guard entry.isPresent else { return nil }
    // The whole leaf, or a page of it where the memory behind it is not contiguous for so long.
    for byteCount in [PageTable.span(level) << IOMMUPage.shift, IOMMUPage.size] {
      let mask = byteCount - 1
      let leaf = PageTable.span(level) << IOMMUPage.shift - 1
      let target = GuestPhysicalAddress((entry.address + address.rawValue & leaf) & ~mask)
      guard let host = core.deviceTable.translate(target, length: byteCount) else { continue }
      return IOMMUTranslation(
        range: IOMMURange(IOVA(address.rawValue & ~mask), byteCount: byteCount), target: target, host: host,
        isReadable: entry.bits & PageTableEntry.permission(for: .deviceReadable) != 0,
        isWritable: entry.bits & PageTableEntry.permission(for: .deviceWritable) != 0)
    }
    return nil
  }

  /// Does what one descriptor says; false when the device did not confirm.
  func take(_ descriptor: InvalidationDescriptor) -> Bool {
    switch descriptor.kind {
    case InvalidationDescriptor.pagesKind:
      let address = IOVA(descriptor.body << IOMMUPage.shift)
      return forget(IOMMURange(address, byteCount: IOMMUPage.size << descriptor.order))
    case InvalidationDescriptor.domainKind: return forget(.whole)
    default: return true
    }
  }
}

/// A range of a device's address space.
public struct IOMMURange: Hashable, Sendable {
  /// Its first byte, at a multiple of 4 KiB.
  public let address: IOVA
  /// Its size in bytes, a multiple of 4 KiB.
  public let byteCount: UInt64

  /// `byteCount` bytes from `address` on.
  public init(_ address: IOVA, byteCount: UInt64) {
    self.address = address
    self.byteCount = byteCount
  }

  /// Everything an IOMMU of four levels reaches.
  static var whole: IOMMURange { IOMMURange(IOVA(0), byteCount: PageTable.pageLimit << IOMMUPage.shift) }
}

extension IOMMURange: CustomStringConvertible {
  /// `… bytes at iova 0x…`.
  public var description: String { "\(byteCount) bytes at \(address)" }
}

/// What one leaf of a device's page table says, or as much of it as lies in one region of memory.
public struct IOMMUTranslation: Hashable, Sendable {
  /// What it is about.
  public let range: IOMMURange
  /// Where the first byte lies for the guest.
  public let target: GuestPhysicalAddress
  /// Where it is mapped in this process.
  public let host: HostAddress
  /// Whether the device may read there.
  public let isReadable: Bool
  /// Whether the device may write there.
  public let isWritable: Bool
}

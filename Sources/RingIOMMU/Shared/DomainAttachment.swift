public import RingKit
internal import Synchronization

/// A device in another process, among those that the invalidations of a domain wait for.
///
/// For the driver's side, whose domain was made by ``IOMMUDomain/init(sharing:tablePages:configuration:)``. From the
/// start to ``detach()`` every strict unmap and every flush waits until the device has forgotten, at most as long as
/// ``IOMMUConfiguration/invalidationTimeout``. What the device says is hostile: more than was asked for is
/// ``DMAError/wrongCompletion(found:posted:)``. Any thread may call.
public final class DomainAttachment: Sendable {
  /// What to pass to the device's process.
  public let shared: SharedDomain
  /// The address space.
  public let domain: IOMMUDomain

  private let server: Mutex<Int?>

  /// Attaches a device that has cached nothing yet.
  ///
  /// - Throws: ``MemoryError`` when there is no memory for its answers.
  public init(_ domain: IOMMUDomain) throws(MemoryError) {
    guard let tables = domain.tables else {
      preconditionFailure("a device in another process needs a domain that is shared")
    }
    let completions = try MemoryRegion(
      at: GuestPhysicalAddress(0), byteCount: SharedDomainLayout.completionByteCount)
    guard let shared = SharedDomain(tables: tables, completions: completions) else {
      preconditionFailure("a shared domain has its tables")
    }
    self.shared = shared
    self.domain = domain
    domain.keep(completions)
    server = Mutex(domain.core.invalidations.attach(process: completions.hostBase))
  }

  deinit { detach() }

  /// The waiting side serves in the place of this cache, which lives on its own thread and until ``detach()``.
  func serve(inPlace iotlb: IOTLB) {
    server.withLock { server in
      if let server { domain.core.invalidations.serve(server, inPlace: iotlb) }
    }
  }

  /// The device's process is gone, or not listened to any more: whoever waits for it, now or until ``detach()``, gets
  /// ``DMAError/deviceUnreachable``.
  public func processEnded() {
    server.withLock { server in
      if let server { domain.core.invalidations.end(server) }
    }
  }

  /// Ends the waiting for this device, which can reach nothing any more; done before, nothing.
  ///
  /// For the time after its process ended: until then it could use what it has cached.
  public func detach() {
    server.withLock { server in
      if let server { domain.core.invalidations.detach(server) }
      server = nil
    }
  }
}

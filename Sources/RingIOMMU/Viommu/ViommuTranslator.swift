public import RingKit

/// The device's side of `viommu` where another process holds the translations: an IOTLB, and a question on a miss.
///
/// What vhost does behind an emulated IOMMU. A value owned by the device's thread, which must also call ``service()``
/// often (unless the domain is ``InvalidationServer/waiter``): drivers wait for it. Between a question and entering its
/// answer nothing is acknowledged that the answer contradicts, because one thread does both. While its driver shares
/// the thread (``shareThread(_:)``) drivers of other queues serve it too; an answer that they may have contradicted is
/// not kept. The device never looks at the guest's page table.
@frozen
public struct ViommuTranslator<Counter: WorkCounter>: IOTLBTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter

  @usableFromInline let core: IOMMUCore
  @usableFromInline let iotlb: IOTLB
  @usableFromInline let server: Int
  @usableFromInline let client: ViommuClient
  // Keeps what `core` points to alive.
  private let domain: IOMMUDomain

  /// A translator with an empty IOTLB, attached to a domain until it goes away; one more than 16 stops the process.
  ///
  /// - Parameters:
  ///   - domain: says what the invalidations of this device are, and where guest memory lies here.
  ///   - client: the device's own connection, for `ViommuRole.device`.
  ///   - iotlbSets: sets of four 4 KiB pages, a power of two.
  ///   - counter: what counts the work.
  public init(domain: IOMMUDomain, client: ViommuClient, iotlbSets: Int = 64, counter: Counter) {
    self.domain = domain
    self.client = client
    core = domain.core
    iotlb = IOTLB(sets: iotlbSets)
    server = domain.core.invalidations.attach(iotlb)
    work = counter
  }

  deinit {
    core.invalidations.detach(server)
    iotlb.deallocate()
  }

  /// The translator checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// Looks the range up in the IOTLB, or asks; joins pages as long as they are contiguous here.
  ///
  /// - Throws: `DMAFault`, among it `DMAFault.custom(_:_:)` when the VMM does not answer.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pageHit(address, byteCount, access) { return (host, byteCount) }
    return try translateLong(address, byteCount: byteCount, for: access)
  }

  /// Takes what the drivers want forgotten; one load when that is nothing.
  @inlinable @inline(__always)
  public mutating func service() {
    if !core.invalidations.isIdle(iotlb) { core.invalidations.serve(iotlb, server) }
  }

  /// Whether the driver, on this thread, serves this translator's invalidations while it waits.
  ///
  /// Drivers of other queues of the domain, on any thread, do so too when they wait.
  public mutating func shareThread(_ isShared: Bool) { core.invalidations.setServedByWaiter(server, isShared) }

  /// Asks the process that holds the translations.
  @usableFromInline @inline(never)
  mutating func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let page = address.rawValue >> IOMMUPage.shift
    guard page < PageTable.pageLimit else { throw .notMapped(address) }
    work.add(.missMessages, 1)
    let leaf: (entry: PageTableEntry, level: Int)
    let served = iotlb.served
    do throws(ViommuFailure) { leaf = try client.translation(ofPage: page) } catch {
      throw error == .refused(.notMapped) ? .notMapped(address) : .custom(address, error.dmaError)
    }
    // Not around the question: an answer may take long, and the lock is the whole domain's.
    return try core.invalidations.writing(server) { () throws(DMAFault) in
      let found = try iotlb.enter(address, for: access, leaf.entry, level: leaf.level, core.deviceTable)
      // A waiting thread has served meanwhile: the answer is good for this access, as a hit would be, but not to keep.
      if iotlb.served != served { iotlb.invalidate(page, order: 0) }
      return found
    }
  }
}

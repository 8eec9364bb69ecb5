// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// What a driver passes to a device's process of the address space behind an IOMMU: two memory files.
///
/// The device stands for itself and its translation unit: it walks the page table in ``tables`` and finds the requests
/// of the invalidation queue there, and says in ``completions`` how far it has taken them. Made by a
/// ``DomainAttachment`` on the driver's side, and out of what arrived on the device's, for a ``RemoteIOMMUTranslator``.
public final class SharedDomain: Sendable {
  /// Page table and requests: the driver's to write, for the device to read.
  public let tables: MemoryRegion
  /// One device's answers, a page of its own.
  public let completions: MemoryRegion

  /// Over memory of the driver's, or of the device's that has mapped the same.
  ///
  /// `nil` when one of them is too small to be what it should.
  init?(tables: MemoryRegion, completions: MemoryRegion) {
    guard tables.byteCount >= SharedDomainLayout.byteCount(tablePages: 1),
      completions.byteCount >= SharedDomainLayout.completionByteCount
    else { return nil }
    self.tables = tables
    self.completions = completions
  }

  /// Maps what arrived: the tables to be read, the answers to be written.
  ///
  /// - Throws: ``MemoryError`` when a file is too short or could shrink; descriptors that were taken over are left out
  ///   of `descriptors`.
  package convenience init?(
    _ descriptors: inout [Int32], tableByteCount: Int, completionByteCount: Int
  ) throws(MemoryError) {
    let tables = try MemoryRegion(reading: descriptors[0], byteCount: tableByteCount)
    descriptors.removeFirst()
    let completions = try MemoryRegion(
      attaching: descriptors[0], byteCount: completionByteCount, at: GuestPhysicalAddress(0))
    descriptors.removeFirst()
    self.init(tables: tables, completions: completions)
  }

  var pageTable: PageTableView {
    unsafe PageTableView(
      tables.hostBase.advanced(by: SharedDomainLayout.arenaOffset),
      byteCount: tables.byteCount - SharedDomainLayout.arenaOffset)
  }

  var requests: SharedRequests { SharedRequests(tables.hostBase, completion: completions.hostBase) }
}

extension SharedDomain: Equatable {
  /// Whether they are the same one.
  public static func == (one: SharedDomain, other: SharedDomain) -> Bool { one === other }
}

extension IOMMUDomain {
  /// An empty address space whose page table and invalidation queue a device in another process can read.
  ///
  /// Both lie in memory of the domain's own, which that process cannot write: sealed, so that having its descriptor
  /// does not help. It is no memory of the guest, so no descriptor leads there. Translators are in other processes,
  /// each behind a ``DomainAttachment``; there is none in this one. Mappers are those of any domain.
  ///
  /// - Parameters:
  ///   - memory: what can be mapped; only its shared regions can be reached by translators.
  ///   - tablePages: pages of 4 KiB for the page table, the root among them; they are there from the start. Replaces
  ///     ``IOMMUConfiguration/maximumTablePages``.
  ///   - configuration: sizes and times; Linux's by default.
  /// - Throws: `MemoryError` when the memory cannot be had.
  public convenience init(
    sharing memory: GuestMemory, tablePages: Int = 1024, configuration: IOMMUConfiguration = IOMMUConfiguration()
  ) throws(MemoryError) {
    precondition((1...1 << 24).contains(tablePages), "a page table has between one page and 2^24")
    var configuration = configuration
    configuration.maximumTablePages = tablePages
    let tables = try MemoryRegion(publishing: SharedDomainLayout.byteCount(tablePages: tablePages))
    self.init(memory, configuration, tables: tables, answers: try AnswerPages())
  }

  /// Whether devices in other processes can be attached, and no other.
  public var isShared: Bool { tables != nil }
}

/// Where things lie in the memory of a shared domain: layout 1, which both processes know.
///
/// Requests first, in the words and the order of ``InvalidationQueue``: the tail, beside it the latest two, then the
/// slots. From ``arenaOffset`` to the end pages of the page table, of which the first is the root; an entry says how
/// far behind the root a table lies. In a device's own page: how many descriptors of the queue it has taken, and
/// nothing else.
package enum SharedDomainLayout {
  package static let number: UInt64 = 1
  static let tailOffset = InvalidationQueue.tailOffset
  static let latestOffset = InvalidationQueue.latestOffset
  static let slotOffset = 256
  static let arenaOffset = 8192
  package static let completionByteCount = 4096

  /// Bytes for a page table of so many pages.
  static func byteCount(tablePages: Int) -> Int { arenaOffset + tablePages * 4096 }
}

/// The device's side of an invalidation queue whose drivers are in another process.
///
/// They are not believed: a request that is none, or more of them than the queue has slots, has everything forgotten,
/// which is an answer to whatever was asked. Each word is read once; a call takes no more than the queue's slots.
@frozen @safe
@usableFromInline
struct SharedRequests: @unchecked Sendable {
  @usableFromInline let requests: UnsafeMutableRawPointer
  @usableFromInline let completion: UnsafeMutableRawPointer

  /// Whether there is nothing to take: one load of a line that is not written until something is posted.
  @inlinable @inline(__always)
  func isIdle(_ iotlb: IOTLB) -> Bool {
    unsafe cring_load_acquire_64(requests + InvalidationQueue.tailOffset) == iotlb.served
  }

  /// Where the queue is, and where the device answers; both stay mapped.
  init(_ requests: HostAddress, completion: HostAddress) {
    unsafe self.requests = unsafe requests.pointer
    unsafe self.completion = unsafe completion.pointer
  }

  private var tail: UInt64 { unsafe cring_load_acquire_64(requests + SharedDomainLayout.tailOffset) }

  /// Begins with an empty cache, which nothing posted so far can concern.
  func begin(_ iotlb: IOTLB) { finish(tail, iotlb) }

  /// Takes every descriptor that is there.
  @usableFromInline @inline(never)
  func serve(_ iotlb: IOTLB) {
    let tail = self.tail
    let behind = tail &- iotlb.served
    if behind == 2, let descriptor = latest(tail) {
      Self.forget(descriptor, iotlb)
    } else if behind <= InvalidationQueue.slotCount {
      var at = iotlb.served
      while at != tail {
        Self.forget(slot(at), iotlb)
        at &+= 1
      }
    } else {
      iotlb.invalidateAll()
    }
    finish(tail, iotlb)
  }

  private func finish(_ tail: UInt64, _ iotlb: IOTLB) {
    iotlb.served = tail
    // Pairs with the acquire load in `ProcessServers.completion`.
    unsafe cring_store_release_64(completion, tail)
  }

  private func slot(_ position: UInt64) -> InvalidationDescriptor {
    let slot = unsafe InvalidationQueue.slot(position, requests + SharedDomainLayout.slotOffset)
    return unsafe InvalidationDescriptor(head: cring_load_relaxed_64(slot), body: cring_load_relaxed_64(slot + 8))
  }

  /// The request that ends at the tail, unless another came meanwhile.
  private func latest(_ tail: UInt64) -> InvalidationDescriptor? {
    let copy = unsafe InvalidationQueue.latestCopy(tail, requests)
    let descriptor = unsafe InvalidationDescriptor(
      head: cring_load_acquire_64(copy), body: cring_load_acquire_64(copy + 8))
    return self.tail == tail ? descriptor : nil
  }

  private static func forget(_ descriptor: InvalidationDescriptor, _ iotlb: IOTLB) {
    let (page, order) = (descriptor.body, descriptor.order)
    switch descriptor.kind {
    case InvalidationDescriptor.waitKind: break
    case InvalidationDescriptor.pagesKind
    where order <= InvalidationQueue.largestOrder && page < PageTable.pageLimit && page & (1 << order - 1) == 0:
      iotlb.invalidate(page, order: order)
    default: iotlb.invalidateAll()
    }
  }
}

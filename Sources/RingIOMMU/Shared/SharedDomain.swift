public import RingKit

/// What a driver passes to a device's process of the address space behind an IOMMU: two pieces of memory.
///
/// The device stands for itself and its translation unit: it walks the page table in ``tables`` and finds the requests of
/// the invalidation queue there, and says in ``completions`` how far it has taken them. Made by a ``DomainSeat`` on the
/// driver's side, and out of what arrived on the device's, for a ``RemoteIOMMUTranslator``.
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
  /// - Throws: ``MemoryError`` when a file is too short or could shrink; descriptors that were taken over are left out of
  ///   `descriptors`.
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
    PageTableView(
      tables.hostBase.advanced(by: SharedDomainLayout.arenaOffset),
      byteCount: tables.byteCount - SharedDomainLayout.arenaOffset)
  }

  var requests: SharedRequests { SharedRequests(tables.hostBase, completion: completions.hostBase) }
}

extension SharedDomain: Equatable {
  /// Whether they are the same one.
  public static func == (one: SharedDomain, other: SharedDomain) -> Bool { one === other }
}

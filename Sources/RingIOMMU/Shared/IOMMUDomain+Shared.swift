public import RingKit

extension IOMMUDomain {
  /// An empty address space whose page table and invalidation queue a device in another process can read.
  ///
  /// Both lie in memory of the domain's own, which that process cannot write: sealed, so that having its descriptor does
  /// not help. It is no memory of the guest, so no descriptor leads there. Translators are in other processes, each behind a
  /// ``DomainSeat``; there is none in this one. Mappers are those of any domain.
  ///
  /// - Parameters:
  ///   - memory: what can be mapped; only its shared regions can be reached by translators.
  ///   - tablePages: pages of 4 KiB for the page table, the root among them; they are there from the start. Takes the
  ///     place of ``IOMMUConfiguration/maximumTablePages``.
  ///   - configuration: sizes and times; Linux's by default.
  /// - Throws: ``MemoryError`` when the memory cannot be had.
  public convenience init(
    sharing memory: GuestMemory, tablePages: Int = 1024, configuration: IOMMUConfiguration = IOMMUConfiguration()
  ) throws(MemoryError) {
    precondition((1...1 << 24).contains(tablePages), "a page table has between one page and 2^24")
    var configuration = configuration
    configuration.maximumTablePages = tablePages
    let tables = try MemoryRegion(publishing: SharedDomainLayout.byteCount(tablePages: tablePages))
    self.init(memory, configuration, tables: tables)
  }

  /// Whether devices in other processes can be attached, and no other.
  public var isShared: Bool { tables != nil }
}

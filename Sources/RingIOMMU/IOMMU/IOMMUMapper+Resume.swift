public import RingKit

extension IOMMUMapper {
  /// The segment's IOVA.
  public func address(of mapping: IOMMUMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    let offset = segment.address.rawValue & IOMMUPage.offsetMask
    guard mapping.length == segment.length, mapping.length != 0,
      let page = core.pageTable.physicalAddress(mapping.page),
      page | offset == segment.address.rawValue, mapping.address.rawValue & IOMMUPage.offsetMask == offset
    else { throw .notMapped(mapping.address) }
    return mapping.address
  }

  /// Takes exactly this IOVA range and writes its entries.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> IOMMUMapping {
    let length = UInt64(segment.length)
    let last = segment.address.rawValue &+ length &- 1
    guard length != 0, last <= PageTableEntry.addressMask | IOMMUPage.offsetMask,
      core.driverTable.translate(segment.address, length: length) != nil
    else { throw Self.refusal(of: segment) }
    let page = address.rawValue >> IOMMUPage.shift
    let pages = IOMMUPage.count(of: length, at: segment.address.rawValue)
    guard address.rawValue & IOMMUPage.offsetMask == segment.address.rawValue & IOMMUPage.offsetMask else {
      throw .notResumable(segment, at: address)
    }
    guard core.allocator.reserve(page, pages: pages) else { throw .alreadyMapped(address) }
    do {
      try core.pageTable.map(
        page, to: segment.address.rawValue >> IOMMUPage.shift, pages: pages,
        permissions: PageTableEntry.permission(for: direction), largestLeaf: core.largestLeaf, counter: &work)
    } catch {
      core.giveUp(page, pages: pages, cpu: cpu, counter: &work)
      throw error
    }
    work.add(.maps, 1)
    return IOMMUMapping(address: address, length: segment.length)
  }
}

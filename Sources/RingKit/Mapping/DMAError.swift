/// Why a segment could not be mapped for, or taken back from, a device.
///
/// The driver's side of the story.
public enum DMAError: Error, Equatable, Sendable {
  /// The segment is empty or does not lie inside the guest's memory.
  case outOfBounds(MemorySegment)
  /// The segment ends beyond what the device can address.
  case beyondMask(MemorySegment, limit: UInt64)
  /// The segment does not lie inside what was mapped beforehand.
  case notPremapped(MemorySegment)
  /// Larger than one mapping of this path may be, in bytes (swiotlb: 128 slots, 256 KiB).
  case tooLarge(byteCount: Int, maximum: Int)
  /// No free run of bounce slots: the bytes asked for, and the pool's slots in all and in use.
  case bouncePoolFull(byteCount: Int, total: Int, used: Int)
  /// Every shadow buffer is in use; how many there are.
  case shadowBuffersInUse(Int)
  /// No free IOVA range of this many pages, after the caches were flushed and the tree searched once more.
  case iovaExhausted(pages: Int)
  /// The address is not one this mapper handed out and has not taken back.
  case notMapped(IOVA)
  /// A page-table entry on the way was already in use.
  case alreadyMapped(IOVA)
  /// This path cannot take a mapping of the segment at that address over from another mapper.
  case notResumable(MemorySegment, at: IOVA)
  /// The page table has no memory left for another level.
  case pageTableExhausted
  /// The IOMMU did not answer a wait descriptor within this many nanoseconds.
  case invalidationTimedOut(nanoseconds: UInt64)
  /// The device, in another process, did not confirm that it forgot a mapping (`RemoteIOTLB`), or has ended
  /// (`DomainSeat`).
  case deviceUnreachable
  /// The device, in another process, says that it took more of the invalidation queue than was posted, in descriptors.
  case wrongCompletion(found: UInt64, posted: UInt64)
  /// The process that holds the translations did not do it.
  case viommu(ViommuFailure)
  /// The segment lies in memory that cannot be shown to a device a page at a time: private, or of reserved 2 MiB pages.
  case notShareable(MemorySegment)
  /// The kernel did not change the page table, for this reason (an errno).
  case kernelRefused(errno: Int32)
  /// The process that is the device has ended.
  case deviceEnded(ProcessEnd)
}

extension DMAError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .outOfBounds(let segment): "\(segment.length) bytes at \(segment.address) are not guest memory"
    case .beyondMask(let segment, let limit):
      "\(segment.length) bytes at \(segment.address) end beyond the device's limit 0x\(String(limit, radix: 16))"
    case .notPremapped(let segment): "\(segment.length) bytes at \(segment.address) were not mapped beforehand"
    case .tooLarge(let count, let maximum): "a mapping of \(count) bytes is larger than this path's \(maximum)"
    case .bouncePoolFull(let count, let total, let used):
      "swiotlb buffer is full (size: \(count) bytes, total \(total) slots, used \(used) slots)"
    case .shadowBuffersInUse(let total): "all of the queue's \(total) shadow buffers are in use"
    case .iovaExhausted(let pages): "no free IOVA range of \(pages) pages"
    case .notMapped(let address): "\(address) is not mapped"
    case .alreadyMapped(let address): "\(address) is already mapped"
    case .notResumable(let segment, let address):
      "a mapping of \(segment.length) bytes at \(segment.address) cannot be taken over at \(address) on this path"
    case .pageTableExhausted: "no memory left for page tables"
    case .invalidationTimedOut(let time): "the IOMMU did not complete an invalidation within \(time) ns"
    case .deviceUnreachable: "the device did not confirm that it forgot a mapping"
    case .wrongCompletion(let found, let posted):
      "the device says that it took \(found) descriptors of the invalidation queue, and \(posted) were posted"
    case .viommu(let failure): failure.description
    case .notShareable(let segment):
      "\(segment.length) bytes at \(segment.address) are not in shared memory of small pages"
    case .kernelRefused(let errno): "the kernel did not change the page table (errno \(errno))"
    case .deviceEnded(let end): "the device's process \(end)"
    }
  }
}

public import RingKit
internal import Synchronization

/// A buffer that a device behind an IOMMU sees for good, for mappers that keep memory of their own there.
///
/// Mapped for both directions when it is made. It stays mapped as long as the domain lives, unless ``release()`` is
/// called: the last reference may go away on a thread, or at a time, when the IOMMU is not served. Safe to share
/// between threads.
public final class PremappedBuffer: Sendable {
  /// What is mapped.
  public let buffer: GuestBuffer
  /// Where the device sees its first byte.
  public let address: IOVA

  private let domain: IOMMUDomain
  private let cpu: Int
  private let window: Mutex<PremappedWindow?>

  /// Maps a buffer.
  ///
  /// - Parameters:
  ///   - buffer: what is mapped; where it does not start and end with a page, so is the rest of its pages.
  ///   - domain: the device's address space.
  ///   - largePages: whether to choose IOVAs so that leaves of 2 MiB and 1 GiB can be used.
  ///   - cpu: whose IOVA caches are used, below ``IOMMUConfiguration/cpuCount``.
  /// - Throws: `DMAError` as for one large map.
  public init(
    _ buffer: GuestBuffer, domain: IOMMUDomain, largePages: Bool = false, cpu: Int = 0
  ) throws(DMAError) {
    precondition(cpu >= 0 && cpu < domain.configuration.cpuCount, "the domain has no IOVA caches for CPU \(cpu)")
    // Once for the buffer's life, so no queue's work. It counts, because a variable of no size has no address of its
    // own, and the thread sanitizer takes those of two threads for one.
    var unseen = CountedWork()
    let window = try domain.core.premap(
      buffer.address, UInt64(buffer.byteCount), largePages: largePages, cpu: cpu, counter: &unseen)
    self.buffer = buffer
    self.domain = domain
    self.cpu = cpu
    address = IOVA(window.iovaBase)
    self.window = Mutex(window)
  }

  /// Unmaps it, when no mapper uses it any more; done before, nothing.
  ///
  /// - Throws: `DMAError.invalidationTimedOut(nanoseconds:)`: an attached translator must be served meanwhile. The
  ///   device then may still see the buffer, and its range of addresses stays reserved.
  public func release() throws(DMAError) {
    let held = window.withLock { window in
      defer { window = nil }
      return window
    }
    guard let held else { return }
    var unseen = CountedWork()
    try domain.core.release(held, cpu: cpu, counter: &unseen)
  }
}

extension ShadowMapper {
  /// A mapper whose buffers a device behind an IOMMU sees through a window.
  ///
  /// - Parameters:
  ///   - memory: the driver's memory, private or shared; need not contain the buffers.
  ///   - buffer: shared memory for as many buffers as it holds, see ``byteCount(slots:slotByteCount:)``; this queue's
  ///     alone from now on. Zeroed here.
  ///   - slotByteCount: bytes of one buffer, a multiple of 64.
  ///   - window: where the device sees `buffer`; `nil` when addresses are guest-physical.
  ///   - counter: counts the work.
  /// - Throws: ``ConfigurationError``.
  public init(
    memory: GuestMemory, buffer: GuestBuffer, slotByteCount: Int = 2048, window: PremappedBuffer?, counter: Counter
  ) throws(ConfigurationError) {
    try self.init(
      memory: memory, buffer: buffer, slotByteCount: slotByteCount,
      mapped: window.map { ($0.buffer, $0.address, $0) }, counter: counter)
  }
}

/// One buffer that is mapped for good.
@frozen
@usableFromInline
struct PremappedWindow: BitwiseCopyable {
  // What segments may lie in, and the IOVA of its first byte.
  @usableFromInline var guestBase: UInt64 = 0
  @usableFromInline var byteCount: UInt64 = 0
  @usableFromInline var iovaBase: UInt64 = 0
  // What was allocated: its first page and size.
  var page: UInt64 = 0
  var pages: UInt64 = 0

  init() {}
}

extension IOMMUCore {
  /// Maps a range for both directions, for good.
  ///
  /// - Throws: ``DMAError``; then nothing is mapped.
  func premap<Counter: WorkCounter>(
    _ address: GuestPhysicalAddress, _ byteCount: UInt64, largePages: Bool, cpu: Int, counter: inout Counter
  ) throws(DMAError) -> PremappedWindow {
    let raw = address.rawValue
    guard byteCount > 0, driverTable.translate(address, length: byteCount) != nil else {
      throw .outOfBounds(MemorySegment(address, length: UInt32(clamping: byteCount)))
    }
    guard raw <= PageTableEntry.addressMask, byteCount <= PageTableEntry.addressMask - raw else {
      throw .beyondMask(
        MemorySegment(address, length: UInt32(clamping: byteCount)), limit: PageTableEntry.addressMask)
    }
    let largePages = largePages && largestLeaf > 1
    let pages = IOMMUPage.count(of: byteCount, at: raw)
    let target = raw >> IOMMUPage.shift
    // A leaf needs IOVA and target equally far into it. Ranges start at multiples of their size, so as many pages as
    // the target is into its leaf are left out in front.
    let leaf: UInt64 = pages >= 2 * PageTable.span(3) ? PageTable.span(3) : PageTable.span(2)
    let front = largePages && pages >= PageTable.span(2) ? target & (leaf - 1) : 0
    let page = try allocator.allocate(pages: front + pages, cpu: cpu, counter: &counter)
    do {
      try pageTable.map(
        page + front, to: target, pages: pages, permissions: PageTableEntry.permissionMask,
        largestLeaf: largePages ? 3 : 1, counter: &counter)
    } catch {
      giveUp(page, pages: front + pages, cpu: cpu, counter: &counter)
      throw error
    }
    counter.add(.maps, 1)
    var window = PremappedWindow()
    window.guestBase = raw
    window.byteCount = byteCount
    window.iovaBase = (page + front) << IOMMUPage.shift | raw & IOMMUPage.offsetMask
    window.page = page
    window.pages = front + pages
    return window
  }

  /// Unmaps what ``premap(_:_:largePages:cpu:counter:)`` mapped, strictly.
  ///
  /// - Throws: ``DMAError``; then the IOVA range stays reserved.
  func release<Counter: WorkCounter>(
    _ window: PremappedWindow, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    let first = window.iovaBase >> IOMMUPage.shift
    let pages = IOMMUPage.count(of: window.byteCount, at: window.iovaBase)
    try pageTable.unmap(first, pages: pages, counter: &counter)
    counter.add(.unmaps, 1)
    try invalidations.invalidate(first, pages: pages, counter: &counter)
    allocator.free(window.page, pages: window.pages, cpu: cpu)
  }
}

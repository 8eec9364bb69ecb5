internal import CRing
public import RingKit

/// A device's address space behind an IOMMU: IOVAs, a page table, and the queue that invalidates what was cached of it.
///
/// Shared by every mapper and translator of the device's queues, whichever thread they live on; what they do to it is
/// locked as in Linux. It stands for a unit with this one domain: its invalidation queue is where all of them meet.
@safe
public final class IOMMUDomain: @unchecked Sendable {
  /// The memory that can be mapped.
  public let memory: GuestMemory
  /// What was chosen.
  public let configuration: IOMMUConfiguration

  let core: IOMMUCore
  /// Page table and requests, where devices in other processes read them.
  let tables: MemoryRegion?
  /// Where the answers of such devices are read.
  let answers: AnswerPages?

  /// An empty address space over a guest's memory.
  ///
  /// - Parameters:
  ///   - memory: what can be mapped; only its shared regions can be reached by translators.
  ///   - configuration: sizes and times; Linux's by default.
  public convenience init(memory: GuestMemory, configuration: IOMMUConfiguration = IOMMUConfiguration()) {
    self.init(memory, configuration, tables: nil, answers: nil)
  }

  init(
    _ memory: GuestMemory, _ configuration: IOMMUConfiguration, tables: MemoryRegion?, answers: AnswerPages?
  ) {
    self.memory = memory
    self.tables = tables
    self.answers = answers
    self.configuration = configuration
    // In two factors, so that neither product overflows; an interval beyond a year is a year.
    let microseconds = min(configuration.flushInterval / 1000, 31_536_000_000_000)
    let perMillisecond = max(cring_cycles_per_second() / 1000, 1)
    core = IOMMUCore(
      memory: memory, configuration: configuration,
      flushCycles: (microseconds / 1000) &* perMillisecond
        &+ (microseconds % 1000) &* perMillisecond / 1000, tables: tables)
  }

  deinit { core.deallocate() }

  /// How often each kind of lock had to be waited for.
  ///
  /// Any thread may ask; takes each lock in turn.
  public var lockWaits: IOMMULockWaits {
    let iova = core.allocator.lockWaits
    return IOMMULockWaits(
      magazines: iova.magazines, depots: iova.depots, tree: iova.tree,
      invalidationQueue: core.invalidations.lockWaits)
  }

  /// IOVA ranges in use, those that wait in caches for reuse included.
  public var rangesInUse: Int { core.allocator.rangesInTree }
}

extension IOMMUDomain {
  /// Takes a range of IOVA pages and maps nothing there, for a benchmark of the allocator alone.
  ///
  /// - Throws: ``DMAError/iovaExhausted(pages:)``.
  package func takeRange(pages: UInt64, cpu: Int) throws(DMAError) -> UInt64 {
    var nothing = Uncounted()
    return try core.allocator.allocate(pages: pages, cpu: cpu, counter: &nothing.work)
  }

  /// Gives back what ``takeRange(pages:cpu:)`` took for as many pages.
  package func giveRange(_ page: UInt64, pages: UInt64, cpu: Int) {
    core.allocator.free(page, pages: pages, cpu: cpu)
  }

  /// Asks for one page to be forgotten, and waits for every translator that is attached.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``.
  package func invalidate(_ page: UInt64) throws(DMAError) {
    var nothing = Uncounted()
    try core.invalidations.invalidate(page, pages: 1, counter: &nothing.work)
  }

  // A variable of no size has no address of its own, and the thread sanitizer looks at whatever it gets for one.
  private struct Uncounted {
    var work = UncountedWork()
    var unused: UInt8 = 0
  }
}

/// What can be chosen about an IOMMU.
///
/// The defaults are Linux's figures for VT-d.
public struct IOMMUConfiguration: Sendable {
  /// CPUs with IOVA caches of their own; a mapper's `cpu` is below it.
  public var cpuCount = 1
  /// First byte above the addresses handed out; at most 2^48, what four levels of 9 bits reach.
  public var iovaLimit: UInt64 = 1 << 48 - 4096
  /// The end that serves the invalidation queue.
  public var servedBy = InvalidationServer.deviceThread
  /// How long to wait for an invalidation, in nanoseconds (Linux: DMAR_OPERATION_TIMEOUT, 10 s).
  public var invalidationTimeout: UInt64 = 10_000_000_000
  /// From the first deferred unmap to the flush that ends its window, in nanoseconds (Linux: IOVA_FQ_TIMEOUT, 10 ms).
  public var flushInterval: UInt64 = 10_000_000
  /// Pages of 4 KiB that page tables may take, the root among them.
  public var maximumTablePages = 1 << 16
  /// Whether leaves of 2 MiB and 1 GiB are used where alignment and length allow; otherwise every page has an entry.
  public var usesLargePages = true

  /// One CPU, 48 bits of addresses, served by the device's thread.
  public init() {}
}

/// The end that takes descriptors out of an IOMMU's invalidation queue.
@frozen
public enum InvalidationServer: UInt8, Sendable {
  /// Each translator's own thread, in ``IOMMUTranslator/service()``. The thread that waits must be another one, or it
  /// waits until the time-out.
  case deviceThread
  /// The waiting side, for the translators. Only for a driver and a device that live on one thread: it touches
  /// IOTLBs that belong to the translators.
  case waiter
}

/// How often the locks of a domain were held by another thread when they were asked for.
///
/// Counts, not times: where queues share a domain they tell which lock is the one to look at.
public struct IOMMULockWaits: Equatable, Sendable {
  /// The caches of all CPUs, in all size classes.
  public var magazines: UInt64
  /// The depots of all size classes.
  public var depots: UInt64
  /// The tree behind them.
  public var tree: UInt64
  /// The invalidation queue.
  public var invalidationQueue: UInt64
}

/// A mapping that stays as it is: where a range of a device's address space leads.
public struct DMAWindow: Equatable, Sendable {
  /// Its first address for the device.
  public let address: IOVA
  /// The guest-physical address that leads to.
  public let target: GuestPhysicalAddress
  /// Its size in bytes.
  public let byteCount: UInt64

  init(_ premapped: PremappedWindow) {
    address = IOVA(premapped.iovaBase)
    target = GuestPhysicalAddress(premapped.guestBase)
    byteCount = premapped.byteCount
  }

  /// A window as another process described it; `nil` when no page table can hold it.
  package init?(_ address: IOVA, to target: GuestPhysicalAddress, byteCount: UInt64) {
    let limit = PageTable.pageLimit << IOMMUPage.shift
    guard address.rawValue < limit, byteCount > 0, byteCount <= limit - address.rawValue,
      target.rawValue <= PageTableEntry.addressMask, byteCount <= PageTableEntry.addressMask - target.rawValue,
      // Both equally far into their pages, or pages could not lead from one to the other.
      (target.rawValue ^ address.rawValue) & IOMMUPage.offsetMask == 0
    else { return nil }
    self.address = address
    self.target = target
    self.byteCount = byteCount
  }
}

extension PremappedMapper {
  /// What was mapped, for a device in another process to hold a copy of.
  public var deviceWindows: [DMAWindow] { (0..<windowCount).map { DMAWindow(windows[$0]) } }
}

extension IOMMUDomain {
  /// A device's own copy of mappings that stay as they are.
  ///
  /// For a device in another process, whose driver maps once and never unmaps: there is nothing to invalidate, so a
  /// copy is as good as the driver's table, and a translator walks it in the same way. Where windows lead is not
  /// believed: a translator faults where that is not memory the device can see.
  ///
  /// - Parameters:
  ///   - memory: what was passed to the device.
  ///   - windows: the driver's mappings, ``PremappedMapper/deviceWindows``.
  ///   - usesLargePages: whether they are held in leaves of 2 MiB and 1 GiB where they allow it.
  ///   - maximumTablePages: pages of 4 KiB that the copy may take, so that a driver cannot have a device fill its
  ///     memory with tables. Unless told otherwise, as many as windows over all of the memory need in leaves of 4 KiB,
  ///     and 65,536 (256 MiB) at most: memory that a driver passes may be sparse, and cost it nothing. That is enough
  ///     for windows of 127 GiB in leaves of 4 KiB, and for 63 TiB in leaves of 2 MiB.
  /// - Throws: `DMAError.alreadyMapped(_:)` when windows overlap, or, before anything is mapped,
  ///   `DMAError.pageTableExhausted`.
  public convenience init(
    memory: GuestMemory, windows: [DMAWindow], usesLargePages: Bool = false, maximumTablePages: Int? = nil
  ) throws(DMAError) {
    var configuration = IOMMUConfiguration()
    let limit = maximumTablePages ?? Self.tablePages(for: memory, windowCount: windows.count)
    configuration.maximumTablePages = limit
    configuration.usesLargePages = usesLargePages
    guard DMAWindow.tablePages(windows, usesLargePages: usesLargePages) <= limit else { throw .pageTableExhausted }
    configuration.servedBy = .waiter
    self.init(memory: memory, configuration: configuration)
    var unseen = CountedWork()
    for window in windows {
      try core.pageTable.map(
        window.address.rawValue >> IOMMUPage.shift, to: window.target.rawValue >> IOMMUPage.shift,
        pages: IOMMUPage.count(of: window.byteCount, at: window.address.rawValue),
        permissions: PageTableEntry.permissionMask, largestLeaf: core.largestLeaf, counter: &unseen)
    }
  }

  /// Pages of tables that a driver may have a device take for its windows.
  static func tablePages(for memory: GuestMemory, windowCount: Int) -> Int {
    let pages = memory.regions.reduce(0) { $0 + UInt64($1.byteCount) >> IOMMUPage.shift }
    // A window that begins and ends inside tables takes two more on each level; and the root.
    var sum = UInt64(6 * windowCount + 1)
    for level in 1..<PageTable.levels { sum += pages / PageTable.span(level + 1) }
    return Int(min(sum, 1 << 16))
  }
}

extension DMAWindow {
  /// Pages of tables that windows need, the root among them; of windows that overlap about as many.
  static func tablePages(_ windows: [DMAWindow], usesLargePages: Bool) -> Int {
    var sum = 1
    for level in 1..<PageTable.levels {
      let span = PageTable.span(level + 1)
      var last: UInt64?
      for window in windows.sorted(by: { $0.address < $1.address }) {
        let page = window.address.rawValue >> IOMMUPage.shift
        let end = page + IOMMUPage.count(of: window.byteCount, at: window.address.rawValue)
        let distance = page ^ (window.target.rawValue >> IOMMUPage.shift)
        sum += Int((end - 1) / span - page / span + 1)
        // One that the window before ends in.
        if page / span == last { sum -= 1 }
        last = (end - 1) / span
        // Where a leaf can stand, there is no table.
        guard usesLargePages, level + 1 <= PageTable.largestLeaf, distance % span == 0 else { continue }
        let (first, behind) = ((page + span - 1) / span, end / span)
        if behind > first { sum -= Int(behind - first) }
      }
    }
    return sum
  }
}

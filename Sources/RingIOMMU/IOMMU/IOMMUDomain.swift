internal import CRing
public import RingKit
internal import Synchronization

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
  // Pages that such devices answer in: a thread may look into one at any time.
  private let completions = Mutex<[MemoryRegion]>([])

  /// An empty address space over a guest's memory.
  ///
  /// - Parameters:
  ///   - memory: what can be mapped; only its shared regions can be reached by translators.
  ///   - configuration: sizes and times; Linux's by default.
  public convenience init(memory: GuestMemory, configuration: IOMMUConfiguration = IOMMUConfiguration()) {
    self.init(memory, configuration, tables: nil)
  }

  init(_ memory: GuestMemory, _ configuration: IOMMUConfiguration, tables: MemoryRegion?) {
    self.memory = memory
    self.tables = tables
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

  /// Holds on to a page as long as the domain lives.
  func keep(_ page: MemoryRegion) { completions.withLock { $0.append(page) } }

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

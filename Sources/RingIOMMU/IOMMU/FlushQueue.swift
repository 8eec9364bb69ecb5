// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// Unmapped ranges that wait for the next flush of the whole domain (Linux: `iova_fq` in drivers/iommu/dma-iommu.c).
///
/// A ring of 256 entries, full at 255. A CPU that finds it full, or its timer expired, flushes the domain once and
/// frees what was queued before. Flushes are numbered for the whole domain, so one mapper's flush also frees what
/// others had queued by then. Owned by one mapper's thread. The timer is that mapper's own: it starts with the first
/// entry after it was last idle and is looked at when the mapper polls and at every 16th unmap, since a look costs more
/// than an entry.
@frozen
@usableFromInline
struct FlushQueue: ~Copyable {
  /// Entries of the ring (Linux: IOVA_DEFAULT_FQ_SIZE); one stays empty.
  @inlinable
  static var size: Int { 256 }

  @usableFromInline let entries: PrivateTable<FlushEntry>
  @usableFromInline var head = 0
  @usableFromInline var tail = 0
  // The cycle at which the timer strikes; 0 when it is off.
  @usableFromInline var deadline: UInt64 = 0

  init(isUsed: Bool) {
    entries = PrivateTable(count: isUsed ? Self.size : 0, repeating: FlushEntry(page: 0, pages: 0, begun: 0))
  }

  @inlinable @inline(__always)
  static func begun(_ core: IOMMUCore) -> UnsafeMutableRawPointer { unsafe core.flushCounts }

  @inlinable @inline(__always)
  static func finished(_ core: IOMMUCore) -> UnsafeMutableRawPointer { unsafe core.flushCounts + 128 }

  /// Ranges that wait.
  @inlinable
  var count: Int { (tail &- head) & (Self.size &- 1) }

  /// Queues a range whose entries have just been cleared.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)`` when the ring was full and could not be flushed; then
  ///   the range stays reserved, for the device may still reach it.
  @inlinable @inline(__always)
  mutating func add<Counter: WorkCounter>(
    _ page: UInt64, pages: UInt64, core: IOMMUCore, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    freeFinished(core: core, cpu: cpu)
    if count == Self.size &- 1 { try flush(core: core, cpu: cpu, counter: &counter) }
    // The cleared entries must be visible before the number is read: a flush that begins later, on any CPU, must
    // cover them. Pairs with the fence in `flush`.
    cring_cpu_full()
    entries[tail] = unsafe FlushEntry(page: page, pages: pages, begun: cring_load_relaxed_64(Self.begun(core)))
    tail = (tail &+ 1) & (Self.size &- 1)
    counter.add(.deferredUnmaps, 1)
    if deadline == 0 {
      deadline = cring_cycles() &+ core.flushCycles
    } else if tail & 15 == 0 {
      try poll(core: core, cpu: cpu, counter: &counter)
    }
  }

  /// Flushes when the timer has expired.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``.
  @inlinable @inline(__always)
  mutating func poll<Counter: WorkCounter>(
    core: IOMMUCore, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    if deadline != 0 && cring_cycles() >= deadline { try strike(core: core, cpu: cpu, counter: &counter) }
  }

  /// Flushes, and starts the timer again where that failed: what waits is tried again an interval later.
  @inlinable @inline(never)
  mutating func strike<Counter: WorkCounter>(
    core: IOMMUCore, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    do throws(DMAError) { try drain(core: core, cpu: cpu, counter: &counter) } catch {
      deadline = cring_cycles() &+ core.flushCycles
      throw error
    }
    deadline = 0
  }

  /// Flushes unless nothing waits.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``.
  @inlinable @inline(never)
  mutating func drain<Counter: WorkCounter>(
    core: IOMMUCore, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    freeFinished(core: core, cpu: cpu)
    if count != 0 { try flush(core: core, cpu: cpu, counter: &counter) }
  }

  @inlinable @inline(__always)
  mutating func freeFinished(core: IOMMUCore, cpu: Int) {
    let finished = unsafe cring_load_acquire_64(Self.finished(core))
    if head != tail && entries[head].begun < finished { freeFinished(finished, core: core, cpu: cpu) }
  }

  @usableFromInline @inline(never)
  mutating func freeFinished(_ finished: UInt64, core: IOMMUCore, cpu: Int) {
    while head != tail, case let entry = entries[head], entry.begun < finished {
      core.allocator.free(entry.page, pages: entry.pages, cpu: cpu)
      head = (head + 1) & (Self.size - 1)
    }
  }

  @inlinable @inline(never)
  mutating func flush<Counter: WorkCounter>(
    core: IOMMUCore, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    _ = unsafe cring_fetch_add_relaxed_64(Self.begun(core), 1)
    cring_cpu_full()
    do throws(DMAError) { try core.invalidations.invalidateAll(counter: &counter) } catch {
      // It will not be among those that finish: what other mappers queue need not wait for one more because of it.
      _ = unsafe cring_fetch_add_relaxed_64(Self.begun(core), .max)
      throw error
    }
    cring_cpu_release()
    _ = unsafe cring_fetch_add_relaxed_64(Self.finished(core), 1)
    // By number this flush may not count yet, while another thread's is under way that began before it. It began after
    // everything here was queued all the same.
    freeFinished(.max, core: core, cpu: cpu)
  }
}

/// A range whose entries are cleared and whose invalidation is still to come.
@frozen
@usableFromInline
struct FlushEntry: BitwiseCopyable {
  @usableFromInline var page: UInt64
  @usableFromInline var pages: UInt64
  // Flushes begun when it was queued: more than that must have finished before the range is free.
  @usableFromInline var begun: UInt64

  @inlinable
  init(page: UInt64, pages: UInt64, begun: UInt64) {
    self.page = page
    self.pages = pages
    self.begun = begun
  }
}

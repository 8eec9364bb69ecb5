internal import CRing
internal import RingKit

extension IOVAAllocator {
  /// An allocator of the pages 1 to `limit - 1`, for CPUs 0 to `cpuCount - 1`.
  package init(cpuCount: Int, limit: UInt64) {
    precondition(cpuCount > 0, "an IOVA allocator needs at least one CPU")
    self.cpuCount = cpuCount
    unsafe caches = RawBlock.allocate(cpuCount * Self.classCount * IOVACPUCache.stride)
    unsafe depots = RawBlock.allocate(Self.classCount * IOVADepot.stride + 64)
    unsafe treeLock = RawBlock.allocate(64)
    unsafe tree = RawBlock.allocate(MemoryLayout<IOVATree>.stride)
    unsafe tree.bindMemory(to: IOVATree.self, capacity: 1).initialize(to: IOVATree(limit: limit))
    for i in 0..<Self.classCount {
      unsafe (depots + i * IOVADepot.stride + IOVADepot.offset).bindMemory(to: IOVADepot.self, capacity: 1).initialize(
        to: IOVADepot())
    }
    for i in 0..<(cpuCount * Self.classCount) {
      guard let loaded = IOVAMagazine.make(), let previous = IOVAMagazine.make() else {
        preconditionFailure("no memory for IOVA magazines")
      }
      unsafe (caches + i * IOVACPUCache.stride + IOVACPUCache.offset).bindMemory(to: IOVACPUCache.self, capacity: 1)
        .initialize(to: IOVACPUCache(loaded: loaded, previous: previous))
    }
  }

  /// Frees the state; no copy of the handle may be used again.
  package func deallocate() {
    for order in 0..<Self.classCount {
      for cpu in 0..<cpuCount {
        let cache = unsafe Self.cache(behind: cacheLock(cpu, order))
        unsafe cache.pointee.loaded.deallocate()
        unsafe cache.pointee.previous.deallocate()
      }
      while let magazine = unsafe depot(order).pointee.pop() { magazine.deallocate() }
    }
    unsafe treeState.deinitialize(count: 1)
    unsafe RawBlock.free(tree)
    unsafe RawBlock.free(treeLock)
    unsafe RawBlock.free(depots)
    unsafe RawBlock.free(caches)
  }

  private var treeState: UnsafeMutablePointer<IOVATree> { unsafe tree.assumingMemoryBound(to: IOVATree.self) }

  private func depotLock(_ order: Int) -> UnsafeMutableRawPointer {
    // SAFETY: order < classCount, and the block holds that many depots.
    unsafe depots + order * IOVADepot.stride
  }

  private func depot(_ order: Int) -> UnsafeMutablePointer<IOVADepot> {
    unsafe (depotLock(order) + IOVADepot.offset).assumingMemoryBound(to: IOVADepot.self)
  }

  /// Ranges that the tree regards as in use: those handed out, and those that wait in caches.
  var rangesInTree: Int {
    unsafe cring_lock(treeLock)
    defer { unsafe cring_unlock(treeLock) }
    return unsafe treeState.pointee.count
  }

  /// Times each kind of lock was held by another thread when it was asked for.
  var lockWaits: (magazines: UInt64, depots: UInt64, tree: UInt64) {
    var magazines: UInt64 = 0
    var depots: UInt64 = 0
    for order in 0..<Self.classCount {
      for cpu in 0..<cpuCount { magazines &+= unsafe Self.waits(cacheLock(cpu, order)) }
      depots &+= unsafe Self.waits(depotLock(order))
    }
    return unsafe (magazines, depots, Self.waits(treeLock))
  }

  private static func waits(_ lock: UnsafeMutableRawPointer) -> UInt64 {
    unsafe cring_lock(lock)
    defer { unsafe cring_unlock(lock) }
    return unsafe (lock + waitsOffset).load(as: UInt64.self)
  }

  /// Full magazines in the depot of a class.
  func depotCount(order: Int) -> Int {
    let depot = unsafe depot(order)
    unsafe cring_lock(depotLock(order))
    defer { unsafe cring_unlock(depotLock(order)) }
    return unsafe Int(depot.pointee.count)
  }

  /// A range from the depot or the tree; page 0 when there is none.
  @usableFromInline @inline(never)
  func refill(pages: UInt64, cpu: Int) -> (page: UInt64, source: IOVASource) {
    if pages <= Self.largestCached {
      let found = refillCache(Self.order(of: pages), cpu)
      if found.page != 0 { return found }
    }
    if let page = allocateInTree(pages) { return (page, .tree) }
    flushCaches()
    return (allocateInTree(pages) ?? 0, .tree)
  }

  private func refillCache(_ order: Int, _ cpu: Int) -> (page: UInt64, source: IOVASource) {
    let lock = unsafe cacheLock(cpu, order)
    let cache = unsafe Self.cache(behind: lock)
    unsafe Self.take(lock)
    defer { unsafe cring_unlock(lock) }
    // Another thread with the same CPU number may have freed something in between.
    let page = unsafe cache.pointee.take()
    if page != 0 { return (page, .magazine) }
    let depot = unsafe depot(order)
    unsafe Self.take(depotLock(order))
    let full = unsafe depot.pointee.pop()
    unsafe cring_unlock(depotLock(order))
    guard let full else { return (0, .tree) }
    unsafe cache.pointee.loaded.deallocate()
    unsafe cache.pointee.loaded = full
    return (full.pop(), .depot)
  }

  private func allocateInTree(_ pages: UInt64) -> UInt64? {
    guard pages > 0, pages <= 1 << 36 else { return nil }
    let rounded: UInt64 = 1 << UInt64(Self.order(of: pages))
    unsafe Self.take(treeLock)
    defer { unsafe cring_unlock(treeLock) }
    // What can be cached is rounded up, so that a range fits every request of its class.
    return unsafe treeState.pointee.allocate(
      size: pages <= Self.largestCached ? rounded : pages, alignment: rounded)
  }

  private func freeInTree(_ pages: some Sequence<UInt64>) {
    unsafe Self.take(treeLock)
    for page in pages {
      let known = unsafe treeState.pointee.free(page)
      assert(known, "an IOVA range was freed that was not in use")
    }
    unsafe cring_unlock(treeLock)
  }

  /// Makes room in the caches with a new magazine, or frees into the tree.
  @usableFromInline @inline(never)
  func freeBeyondCache(_ page: UInt64, pages: UInt64, cpu: Int) {
    guard pages <= Self.largestCached, let empty = IOVAMagazine.make() else {
      freeInTree(CollectionOfOne(page))
      return
    }
    let order = Self.order(of: pages)
    let lock = unsafe cacheLock(cpu, order)
    let cache = unsafe Self.cache(behind: lock)
    unsafe Self.take(lock)
    if unsafe cache.pointee.keep(page) {
      unsafe cring_unlock(lock)
      empty.deallocate()
      return
    }
    let depot = unsafe depot(order)
    unsafe Self.take(depotLock(order))
    unsafe depot.pointee.push(cache.pointee.loaded)
    unsafe cring_unlock(depotLock(order))
    empty.push(page)
    unsafe cache.pointee.loaded = empty
    unsafe cring_unlock(lock)
    let now = cring_nanoseconds()
    if mayTrim { trim(now: now) } else { unsafe cring_store_relaxed_64(trimDeadline, now &+ Self.trimInterval) }
  }

  /// When it is time, gives one magazine of each depot that holds more of them than there are CPUs back to the tree.
  ///
  /// - Parameter now: nanoseconds of the monotonic clock.
  @usableFromInline @inline(never)
  package func trim(now: UInt64) {
    let deadline = unsafe cring_load_relaxed_64(trimDeadline)
    guard deadline != 0, now >= deadline else { return }
    var again = false
    for order in 0..<Self.classCount {
      let depot = unsafe depot(order)
      unsafe Self.take(depotLock(order))
      let surplus = unsafe depot.pointee.count > cpuCount ? depot.pointee.pop() : nil
      unsafe cring_unlock(depotLock(order))
      guard let surplus else { continue }
      again = true
      giveBack(surplus)
      surplus.deallocate()
    }
    unsafe cring_store_relaxed_64(trimDeadline, again ? now &+ Self.trimInterval : 0)
  }

  /// Empties every CPU's caches and every depot into the tree.
  func flushCaches() {
    for order in 0..<Self.classCount {
      for cpu in 0..<cpuCount {
        let lock = unsafe cacheLock(cpu, order)
        let cache = unsafe Self.cache(behind: lock)
        unsafe Self.take(lock)
        giveBack(unsafe cache.pointee.loaded)
        giveBack(unsafe cache.pointee.previous)
        unsafe cring_unlock(lock)
      }
      let depot = unsafe depot(order)
      unsafe Self.take(depotLock(order))
      while let magazine = unsafe depot.pointee.pop() {
        giveBack(magazine)
        magazine.deallocate()
      }
      unsafe cring_unlock(depotLock(order))
    }
  }

  private func giveBack(_ magazine: IOVAMagazine) {
    freeInTree((0..<magazine.count).lazy.map { unsafe magazine.words[Int($0) + 1] })
    magazine.count = 0
  }
}

extension IOVAAllocator {
  /// Takes the range that starts at `page`, as if an allocation of `pages` pages had returned it.
  ///
  /// - Returns: false when an allocation never would have, or something there is in use, be it in a cache.
  func reserve(_ page: UInt64, pages: UInt64) -> Bool {
    guard pages > 0, pages <= 1 << 36 else { return false }
    let rounded: UInt64 = 1 << UInt64(Self.order(of: pages))
    guard page & (rounded - 1) == 0 else { return false }
    unsafe cring_lock(treeLock)
    defer { unsafe cring_unlock(treeLock) }
    return unsafe tree.assumingMemoryBound(to: IOVATree.self).pointee.reserve(
      page, size: pages <= Self.largestCached ? rounded : pages)
  }
}

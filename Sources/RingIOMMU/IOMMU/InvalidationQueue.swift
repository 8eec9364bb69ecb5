// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// The queue through which drivers tell an IOMMU what to forget: 256 slots of 16 bytes (VT-d queued invalidation).
///
/// One per unit, under one lock: where all queues behind it meet. A synchronous request posts an invalidation and a
/// wait descriptor, writes the tail, releases the lock and spins until the value that the wait descriptor carries
/// stands in the status word of each server. A server is a translator with an IOTLB of its own: each takes every
/// descriptor. The status is also how far that server has read, because every request ends in a wait descriptor.
///
/// The line that the tail is in carries the latest requests along, so that a server which is up to date has all it
/// needs when it sees the tail move, and a request costs one round trip between the two CPUs: the least that a unit
/// which is waited for can cost. A server that is behind reads the slots.
///
/// Ordering: the release store of the tail in `flush` pairs with the acquire load in `isIdle`, `serve`: a server that
/// sees a descriptor sees the page-table entries cleared before it. The release store of the status pairs with the
/// acquire load in `ThreadServers.progress`. A request beside the tail is overwritten by the next but one, which is
/// posted only when the next is: a server that finds the tail unmoved after it has read one has read that one. For this
/// the copies are stored with release and read with acquire.
///
/// A server whose driver is on its own thread (``Virtqueue`` on one thread) is served by whatever thread waits for it:
/// several drivers may, and the server itself translates meanwhile. All that write its cache then, and all that attach
/// or detach it, take the serve lock, so a walk that has begun is entered before the cache is served, and a cache that
/// is served is there. The lock is taken by no look-up that hits, but where hybrid's comes to another page of 2 MiB,
/// and for no other server.
///
/// Where the servers are in other processes requests go through memory they can read:
/// `Shared/InvalidationQueue+Shared.swift`.
///
/// A handle: copies share the state, and the ``IOMMUDomain`` that made it frees it.
@frozen @safe
@usableFromInline
struct InvalidationQueue: @unchecked Sendable {
  /// Slots of the ring.
  static let slotCount: UInt64 = 256
  /// Translators that can be attached at one time.
  static let serverLimit = 16
  /// log2 of the most pages one page-selective invalidation covers (VT-d's address mask); beyond it the whole domain.
  @inlinable
  static var largestOrder: UInt64 { 18 }

  // Offsets: the lock; how often it was waited for; where requests are published, in a shared domain; how long to wait,
  // in nanoseconds; how many servers there have ever been; the tail; the serve lock; a line pair per server; the slots.
  static let waitsOffset = 8
  static let publishedOffset = 16
  static let timeoutOffset = 24
  static let serverCountOffset = 64
  @inlinable
  static var tailOffset: Int { 128 }
  // Beside the tail, in its line: the latest two requests.
  static let latestOffset = tailOffset + 16
  static let serveLockOffset = 256
  @inlinable
  static var serverOffset: Int { 384 }
  @inlinable
  static var serverStride: Int { 128 }
  // In the line of a server's status: whether waiting drivers serve it.
  @inlinable
  static var flagOffset: Int { serverOffset + 32 }
  static let slotOffset = serverOffset + serverLimit * serverStride

  @usableFromInline let block: UnsafeMutableRawPointer
  @usableFromInline let servedBy: InvalidationServer

  /// Whether waiting drivers serve for a server: certain on its own thread, and under the serve lock.
  @inlinable @inline(__always)
  func isServedByWaiter(_ server: Int) -> Bool {
    // SAFETY: server < serverLimit, and that many line pairs follow serverOffset.
    unsafe cring_load_relaxed_32(block + (Self.flagOffset &+ server &* Self.serverStride)) != 0
  }

  /// Whether a server has nothing to take: one load of a line that is not written until something is posted.
  @inlinable @inline(__always)
  func isIdle(_ iotlb: IOTLB) -> Bool {
    unsafe cring_load_acquire_64(block + Self.tailOffset) == iotlb.served
  }

  /// Makes every IOTLB forget `pages` pages from `page` on, and waits until it has.
  ///
  /// The smallest aligned power of two that covers them is asked for.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``.
  @inlinable @inline(__always)
  func invalidate<Counter: WorkCounter>(
    _ page: UInt64, pages: UInt64, counter: inout Counter
  ) throws(DMAError) {
    let last = page &+ pages &- 1
    // The bits in which the first and the last page differ.
    let order = UInt64(truncatingIfNeeded: 64 &- (page ^ last).leadingZeroBitCount)
    counter.add(.invalidations, 1)
    counter.add(.invalidationWaits, 1)
    if order > Self.largestOrder {
      try flush(InvalidationDescriptor.domain())
    } else {
      try flush(InvalidationDescriptor.pages((page >> order) << order, order: order))
    }
  }

  /// Makes every IOTLB forget everything, and waits until it has.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``.
  @inlinable
  func invalidateAll<Counter: WorkCounter>(counter: inout Counter) throws(DMAError) {
    counter.add(.invalidations, 1)
    counter.add(.invalidationWaits, 1)
    try flush(InvalidationDescriptor.domain())
  }
}

/// One slot of the invalidation queue: 16 bytes, a kind and what it needs.
@frozen
@usableFromInline
struct InvalidationDescriptor: BitwiseCopyable, Sendable, Equatable {
  // Bits 0...7: the kind. Bits 8...15: log2 of the pages.
  @usableFromInline var head: UInt64
  // The first page, or the value for the status word.
  @usableFromInline var body: UInt64

  @inlinable
  init(head: UInt64, body: UInt64) {
    self.head = head
    self.body = body
  }

  static let pagesKind: UInt64 = 1
  static let domainKind: UInt64 = 2
  static let waitKind: UInt64 = 5

  var kind: UInt64 { head & 0xff }
  var order: UInt64 { head >> 8 & 0xff }

  /// Forget 2^`order` pages from `page` on.
  @inlinable @inline(__always)
  static func pages(_ page: UInt64, order: UInt64) -> InvalidationDescriptor {
    InvalidationDescriptor(head: 1 | order << 8, body: page)
  }

  /// Forget everything.
  @inlinable @inline(__always)
  static func domain() -> InvalidationDescriptor { InvalidationDescriptor(head: 2, body: 0) }

  /// Write `value` into the status word once everything before is done.
  static func wait(_ value: UInt64) -> InvalidationDescriptor { InvalidationDescriptor(head: waitKind, body: value) }
}

/// What a request does, wherever those are that it waits for.
extension InvalidationQueue {
  // Looks at a server before the first pause, and between two looks at the clock. A waiter that goes on without one
  // takes the line from the server that is to write it: 512 cost 27 ns more behind one L3, none at all no less.
  private static let spinsBeforePause = 64
  private static let spinsPerClock = 1024

  /// Posts an invalidation and a wait descriptor, and waits.
  @usableFromInline @inline(never)
  func flush(_ descriptor: InvalidationDescriptor) throws(DMAError) {
    if let published = unsafe published { return try unsafe flush(descriptor, published) }
    try flush(descriptor, through: ThreadServers(queue: self))
  }

  @inline(__always)
  func flush<Servers: InvalidationServers>(
    _ descriptor: InvalidationDescriptor, through servers: Servers
  ) throws(DMAError) {
    // Taking the lock waits until the cleared entries have left this CPU, lines the device has just read; the line of
    // the tail, which it has read too, comes meanwhile. Skip the prefetch while the lock is held: the holder is about
    // to write the line.
    if unsafe cring_load_relaxed_32(block) == 0 {
      unsafe cring_prefetch_exclusive(Self.latestCopy(0, servers.requests))
    }
    unsafe cring_lock_counting(block, waitsWord)
    var end = tail &+ 2
    var deadline = RequestDeadline()
    while end &- slowest(of: servers) > Self.slotCount {
      unsafe cring_unlock(block)
      // Looked at in each round: a server that says it has come further, and then that it has not, ends the wait only.
      try deadline.check(timeout)
      try wait(end &- Self.slotCount, for: servers, &deadline)
      unsafe cring_lock_counting(block, waitsWord)
      end = tail &+ 2
    }
    unsafe Self.write(descriptor, servers.slots, end &- 2)
    unsafe Self.write(.wait(end), servers.slots, end &- 1)
    let copy = unsafe Self.latestCopy(end, servers.requests)
    unsafe cring_store_release_64(copy, descriptor.head)
    unsafe cring_store_release_64(copy + 8, descriptor.body)
    unsafe cring_store_release_64(block + Self.tailOffset, end)
    servers.publish(end)
    unsafe cring_unlock(block)
    try wait(end, for: servers, &deadline)
  }

  private static func write(
    _ descriptor: InvalidationDescriptor, _ slots: UnsafeMutableRawPointer, _ position: UInt64
  ) {
    let slot = unsafe slot(position, slots)
    unsafe cring_store_relaxed_64(slot, descriptor.head)
    unsafe cring_store_relaxed_64(slot + 8, descriptor.body)
  }

  /// How far the server has come that is furthest behind; no slot before it is read any more.
  private func slowest<Servers: InvalidationServers>(of servers: Servers) -> UInt64 {
    var least = tail
    for server in 0..<serverCount { least = min(least, servers.progress(server)) }
    return least
  }

  private func wait<Servers: InvalidationServers>(
    _ end: UInt64, for servers: Servers, _ deadline: inout RequestDeadline
  ) throws(DMAError) {
    for server in 0..<serverCount {
      var spins = 0
      while try !servers.hasServed(server, end) {
        if servedBy == .waiter || isServedByWaiter(server) { try servers.serveForServer(server) }
        spins += 1
        if spins > Self.spinsBeforePause { cring_spin_hint() }
        if spins % Self.spinsPerClock == 0 { try deadline.check(timeout) }
      }
    }
  }
}

/// When a request has been waited for long enough, in all that it waits for: so long after the clock was first read.
private struct RequestDeadline {
  // 0 as long as the request has not had to wait so long that a look at the clock costs nothing.
  private var end: UInt64 = 0

  @inline(never)
  mutating func check(_ timeout: UInt64) throws(DMAError) {
    let now = cring_nanoseconds()
    if end == 0 { end = Deadline.after(now, nanoseconds: timeout) }
    if now > end { throw .invalidationTimedOut(nanoseconds: timeout) }
  }
}

/// Where the servers of an invalidation queue are, as far as a request has to know.
///
/// ``ThreadServers`` in this process, ``ProcessServers`` in others. Not for servers: each knows its own slot.
protocol InvalidationServers {
  /// Where servers read the tail and, beside it, the latest requests.
  var requests: UnsafeMutableRawPointer { get }
  /// Where they read descriptors.
  var slots: UnsafeMutableRawPointer { get }

  /// Has them see what was posted up to a position, beyond what the queue's own tail says.
  func publish(_ end: UInt64)
  /// How far a server says it has come: it reads no slot before that any more.
  func progress(_ server: Int) -> UInt64
  /// Whether a server need not be waited for until it has come to a position.
  func hasServed(_ server: Int, _ end: UInt64) throws(DMAError) -> Bool
  /// Serves instead of a server, on the thread that waits for it.
  func serveForServer(_ server: Int) throws(DMAError)
}

/// The servers of an invalidation queue that are threads of this process: they read its own block.
@safe
struct ThreadServers: InvalidationServers {
  let queue: InvalidationQueue

  var requests: UnsafeMutableRawPointer { unsafe queue.block }
  var slots: UnsafeMutableRawPointer { unsafe queue.block + InvalidationQueue.slotOffset }

  /// The queue's tail is the one that they look at.
  func publish(_ end: UInt64) {}

  func progress(_ server: Int) -> UInt64 { unsafe cring_load_acquire_64(queue.status(server)) }

  func hasServed(_ server: Int, _ end: UInt64) -> Bool { progress(server) >= end }

  func serveForServer(_ server: Int) throws(DMAError) {
    let status = unsafe queue.status(server)
    guard queue.servedBy == .waiter else {
      serveForFlagged(server)
      return
    }
    // SAFETY: `attach` stored the words of a cache that lives until `detach`; with `servedBy: .waiter` both happen on
    // this thread.
    let remote = unsafe (status + 24).load(as: UInt.self)
    if let remote = unsafe UnsafeRawPointer(bitPattern: remote) {
      let cache = unsafe Unmanaged<RemoteIOTLB>.fromOpaque(remote).takeUnretainedValue()
      if !queue.serve(cache, server) { throw .deviceUnreachable }
      return
    }
    if let iotlb = unsafe iotlb(status) { queue.take(iotlb, server, isOwner: true) }
  }

  /// Serves a server that waiting threads serve, unless another thread does so now, or it enters a translation.
  private func serveForFlagged(_ server: Int) {
    // Not waited for: the caller looks at the clock.
    guard unsafe cring_try_lock(queue.serveLock) else { return }
    defer { unsafe cring_unlock(queue.serveLock) }
    // It may have been detached since it was found to be behind, and another one attached in its place.
    guard queue.isServedByWaiter(server) else { return }
    // SAFETY: `detach` takes away the flag under the lock, before the cache is freed.
    if let iotlb = unsafe iotlb(queue.status(server)) { queue.take(iotlb, server, isOwner: false) }
  }

  private func iotlb(_ status: UnsafeMutableRawPointer) -> IOTLB? {
    let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: (status + 8).load(as: UInt.self))
    guard let words = unsafe words else { return nil }
    return unsafe IOTLB(words: words, setMask: (status + 16).load(as: UInt64.self))
  }
}

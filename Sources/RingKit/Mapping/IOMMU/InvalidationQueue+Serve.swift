internal import CRing

extension InvalidationQueue {
  /// An empty queue without servers.
  init(servedBy: InvalidationServer, timeout: UInt64) {
    unsafe block = RawBlock.allocate(Self.slotOffset + Int(Self.slotCount) * 16)
    self.servedBy = servedBy
    unsafe (block + Self.timeoutOffset).storeBytes(of: timeout, as: UInt64.self)
    for server in 0..<Self.serverLimit { unsafe cring_store_relaxed_64(status(server), Self.detached) }
  }

  // Not in the handle, which is passed from hand to hand: asked for when a wait has become long.
  var timeout: UInt64 { unsafe (block + Self.timeoutOffset).load(as: UInt64.self) }

  /// Frees the state; no copy of the handle may be used again.
  func deallocate() { unsafe RawBlock.free(block) }

  // The status of a place without a server: further than anyone will ever wait for.
  static let detached = UInt64.max
  // Loads of the status before the first pause, and between two looks at the clock. A waiter that goes on without one takes the
  // line from the server that is to write it: 512 cost 27 ns more behind one L3, none at all no less.
  static let spinsBeforePause = 64
  static let spinsPerClock = 1024

  func status(_ server: Int) -> UnsafeMutableRawPointer {
    // SAFETY: server < serverLimit, and that many line pairs follow serverOffset.
    unsafe block + Self.serverOffset + server * Self.serverStride
  }

  // In the lock's line, guarded by it.
  var waitsWord: UnsafeMutablePointer<UInt64> {
    unsafe (block + Self.waitsOffset).assumingMemoryBound(to: UInt64.self)
  }

  /// Times the queue's lock was held by another thread when a request asked for it.
  var lockWaits: UInt64 {
    unsafe cring_lock(block)
    defer { unsafe cring_unlock(block) }
    return unsafe waitsWord.pointee
  }

  var serverCount: Int { unsafe Int(cring_load_acquire_32(block + Self.serverCountOffset)) }

  private func slot(_ position: UInt64) -> UnsafeMutableRawPointer {
    unsafe block + Self.slotOffset + Int(position & (Self.slotCount - 1)) * 16
  }

  /// Descriptors posted so far.
  var tail: UInt64 { unsafe cring_load_acquire_64(block + Self.tailOffset) }

  // MARK: Servers

  /// Takes an empty IOTLB among those that every request waits for.
  ///
  /// - Returns: the server's number.
  func attach(_ iotlb: IOTLB) -> Int {
    attach { served in
      iotlb.served = served
      return unsafe (UInt(bitPattern: iotlb.words), iotlb.setMask, 0)
    }
  }

  /// Takes an empty cache of another process among those that every request waits for, until it is detached.
  ///
  /// - Returns: the server's number.
  func attach(_ remote: RemoteIOTLB) -> Int {
    attach { served in
      remote.served = served
      return unsafe (0, 0, UInt(bitPattern: Unmanaged.passUnretained(remote).toOpaque()))
    }
  }

  /// A place whose words say what `cache` says, who is told how far the queue has come.
  private func attach(_ cache: (UInt64) -> (words: UInt, setMask: UInt64, remote: UInt)) -> Int {
    unsafe cring_lock(block)
    defer { unsafe cring_unlock(block) }
    precondition(unsafe published == nil, "the translators of a shared domain are in other processes")
    let server = freePlace()
    // Nothing posted before can concern a cache that is empty.
    let served = tail
    let (words, setMask, remote) = cache(served)
    unsafe (status(server) + 8).storeBytes(of: words, as: UInt.self)
    unsafe (status(server) + 16).storeBytes(of: setMask, as: UInt64.self)
    unsafe (status(server) + 24).storeBytes(of: remote, as: UInt.self)
    unsafe cring_store_release_64(status(server), served)
    countPlaces(upTo: server)
    return server
  }

  /// The number of a place that is free; the caller holds the lock.
  func freePlace() -> Int {
    let free = (0..<Self.serverLimit).first { unsafe cring_load_relaxed_64(status($0)) == Self.detached }
    guard let free else { preconditionFailure("an IOMMU serves at most \(Self.serverLimit) translators at a time") }
    return free
  }

  /// From now on requests look at this place too; the caller holds the lock.
  func countPlaces(upTo server: Int) {
    let count = UInt32(max(serverCount, server + 1))
    unsafe cring_store_release_32(block + Self.serverCountOffset, count)
  }

  /// Ends the waiting for a server.
  func detach(_ server: Int) {
    unsafe cring_lock(block)
    unsafe cring_store_release_64(status(server), Self.detached)
    unsafe cring_unlock(block)
  }

  /// Takes every descriptor that is there.
  @usableFromInline @inline(never)
  func serve(_ iotlb: IOTLB, _ server: Int) {
    let tail = self.tail
    if tail &- iotlb.served == 2, let descriptor = latest(tail) {
      forget(descriptor, iotlb)
      iotlb.served = tail
      unsafe cring_store_release_64(status(server), tail)
      return
    }
    var at = iotlb.served
    while at != tail {
      let slot = unsafe slot(at)
      let descriptor = unsafe InvalidationDescriptor(
        head: cring_load_relaxed_64(slot), body: cring_load_relaxed_64(slot + 8))
      at &+= 1
      switch descriptor.kind {
      case InvalidationDescriptor.waitKind: unsafe cring_store_release_64(status(server), descriptor.body)
      default: forget(descriptor, iotlb)
      }
    }
    iotlb.served = at
  }

  private func forget(_ descriptor: InvalidationDescriptor, _ iotlb: IOTLB) {
    if descriptor.kind == InvalidationDescriptor.pagesKind {
      iotlb.invalidate(descriptor.body, order: descriptor.order)
    } else {
      iotlb.invalidateAll()
    }
  }

  /// The request that ends at the tail, unless another came meanwhile.
  private func latest(_ tail: UInt64) -> InvalidationDescriptor? {
    let copy = unsafe latestCopy(tail)
    let descriptor = unsafe InvalidationDescriptor(
      head: cring_load_acquire_64(copy), body: cring_load_acquire_64(copy + 8))
    return self.tail == tail ? descriptor : nil
  }

  private func latestCopy(_ end: UInt64) -> UnsafeMutableRawPointer {
    // SAFETY: two copies of 16 bytes lie between the tail and the end of its line.
    unsafe block + Self.latestOffset + Int(end >> 1 & 1) * 16
  }

  /// Takes every descriptor that is there, for a device in another process; false when it did not confirm.
  func serve(_ remote: RemoteIOTLB, _ server: Int) -> Bool {
    let tail = self.tail
    while remote.served != tail {
      let slot = unsafe slot(remote.served)
      let descriptor = unsafe InvalidationDescriptor(
        head: cring_load_relaxed_64(slot), body: cring_load_relaxed_64(slot + 8))
      guard remote.take(descriptor) else { return false }
      if descriptor.kind == InvalidationDescriptor.waitKind {
        unsafe cring_store_release_64(status(server), descriptor.body)
      }
      remote.served &+= 1
    }
    return true
  }

  private func serveInPlace(_ server: Int) throws(DMAError) {
    // SAFETY: `attach` stored the words of a cache that lives until `detach`; with `servedBy: .waiter` both happen on
    // this thread.
    let remote = unsafe (status(server) + 24).load(as: UInt.self)
    if let remote = unsafe UnsafeRawPointer(bitPattern: remote) {
      let cache = unsafe Unmanaged<RemoteIOTLB>.fromOpaque(remote).takeUnretainedValue()
      if !serve(cache, server) { throw .deviceUnreachable }
      return
    }
    let words = unsafe (status(server) + 8).load(as: UInt.self)
    let mask = unsafe (status(server) + 16).load(as: UInt64.self)
    guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: words) else { return }
    serve(unsafe IOTLB(words: words, setMask: mask), server)
  }

  // MARK: Waiters

  /// Posts an invalidation and a wait descriptor, and waits.
  @usableFromInline @inline(never)
  func flush(_ descriptor: InvalidationDescriptor) throws(DMAError) {
    if let published = unsafe published { return try unsafe flush(descriptor, published) }
    unsafe cring_lock_counting(block, waitsWord)
    var end = tail &+ 2
    while end &- slowest > Self.slotCount {
      unsafe cring_unlock(block)
      try wait(end &- Self.slotCount)
      unsafe cring_lock_counting(block, waitsWord)
      end = tail &+ 2
    }
    write(descriptor, end &- 2)
    write(.wait(end), end &- 1)
    let copy = unsafe latestCopy(end)
    unsafe cring_store_release_64(copy, descriptor.head)
    unsafe cring_store_release_64(copy + 8, descriptor.body)
    unsafe cring_store_release_64(block + Self.tailOffset, end)
    unsafe cring_unlock(block)
    try wait(end)
  }

  private func write(_ descriptor: InvalidationDescriptor, _ position: UInt64) {
    let slot = unsafe slot(position)
    unsafe cring_store_relaxed_64(slot, descriptor.head)
    unsafe cring_store_relaxed_64(slot + 8, descriptor.body)
  }

  /// How far the server has come that is furthest behind; no slot before it is read any more.
  private var slowest: UInt64 {
    var least = tail
    for server in 0..<serverCount { least = min(least, unsafe cring_load_acquire_64(status(server))) }
    return least
  }

  private func wait(_ end: UInt64) throws(DMAError) {
    for server in 0..<serverCount {
      var spins = 0
      var deadline: UInt64 = 0
      while unsafe cring_load_acquire_64(status(server)) < end {
        if servedBy == .waiter { try serveInPlace(server) }
        spins += 1
        if spins > Self.spinsBeforePause { cring_spin_hint() }
        guard spins % Self.spinsPerClock == 0 else { continue }
        let now = cring_nanoseconds()
        if deadline == 0 {
          deadline = now &+ timeout
        } else if now > deadline {
          throw .invalidationTimedOut(nanoseconds: timeout)
        }
      }
    }
  }
}

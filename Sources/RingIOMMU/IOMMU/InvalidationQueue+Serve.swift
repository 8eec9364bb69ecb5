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

  // The status of an attachment without a server: further than anyone will ever wait for.
  static let detached = UInt64.max

  func status(_ server: Int) -> UnsafeMutableRawPointer {
    // SAFETY: server < serverLimit, and that many line pairs follow serverOffset.
    unsafe block + Self.serverOffset + server * Self.serverStride
  }

  // Not in the queue's lock: held while a page table is walked, and taken by threads that post nothing.
  var serveLock: UnsafeMutableRawPointer { unsafe block + Self.serveLockOffset }

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

  /// The slot of a position among those that begin at `slots`.
  static func slot(_ position: UInt64, _ slots: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    // SAFETY: slotCount slots of 16 bytes.
    unsafe slots + Int(position & (slotCount - 1)) * 16
  }

  private func descriptor(_ position: UInt64) -> InvalidationDescriptor {
    let slot = unsafe Self.slot(position, block + Self.slotOffset)
    return unsafe InvalidationDescriptor(head: cring_load_relaxed_64(slot), body: cring_load_relaxed_64(slot + 8))
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

  /// Attaches a cache, which is told how far the queue has come; returns its number.
  private func attach(_ cache: (UInt64) -> (words: UInt, setMask: UInt64, remote: UInt)) -> Int {
    unsafe cring_lock(block)
    defer { unsafe cring_unlock(block) }
    precondition(unsafe published == nil, "the translators of a shared domain are in other processes")
    guard let server = freeAttachment() else {
      preconditionFailure("an IOMMU serves at most \(Self.serverLimit) translators at a time")
    }
    // Nothing posted before can concern a cache that is empty.
    let served = tail
    let (words, setMask, remote) = cache(served)
    unsafe (status(server) + 8).storeBytes(of: words, as: UInt.self)
    unsafe (status(server) + 16).storeBytes(of: setMask, as: UInt64.self)
    unsafe (status(server) + 24).storeBytes(of: remote, as: UInt.self)
    // Not flagged: `detach` has seen to that, and no waiting thread looks at what stands here.
    unsafe cring_store_release_64(status(server), served)
    countAttachments(upTo: server)
    return server
  }

  /// The number of an attachment that is free, if there is one; the caller holds the lock, or in a shared domain the
  /// pages for answers.
  func freeAttachment() -> Int? {
    (0..<Self.serverLimit).first { unsafe cring_load_relaxed_64(status($0)) == Self.detached }
  }

  /// From now on requests look at this attachment too; the caller holds the lock.
  func countAttachments(upTo server: Int) {
    let count = UInt32(max(serverCount, server + 1))
    unsafe cring_store_release_32(block + Self.serverCountOffset, count)
  }

  /// Says whether waiting drivers serve for the server: only while its own driver is on its thread.
  ///
  /// Called on the server's thread. With ``InvalidationServer/waiter`` they do so in any case, and all on that thread.
  func setServedByWaiter(_ server: Int, _ isServed: Bool) {
    if servedBy == .waiter { return }
    unsafe cring_lock(serveLock)
    unsafe cring_store_relaxed_32(status(server) + 32, isServed ? 1 : 0)
    unsafe cring_unlock(serveLock)
  }

  /// Ends the waiting for a server, whose cache no other thread looks into from now on.
  func detach(_ server: Int) {
    unsafe cring_lock(block)
    unsafe cring_lock(serveLock)
    unsafe cring_store_relaxed_32(status(server) + 32, 0)
    unsafe cring_store_release_64(status(server), Self.detached)
    unsafe cring_unlock(serveLock)
    unsafe cring_unlock(block)
  }

  /// Runs what writes a server's cache, on the server's thread: under the serve lock where waiting threads write it.
  @inline(__always)
  func writing<Result, Failure: Error>(_ server: Int, _ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    guard isServedByWaiter(server) else { return try body() }
    unsafe cring_lock(serveLock)
    defer { unsafe cring_unlock(serveLock) }
    return try body()
  }

  /// ``IOTLB/setRecent(_:)`` in a cache that waiting threads serve, on its own thread.
  @usableFromInline @inline(never)
  func setRecent(_ iotlb: IOTLB, _ address: UInt64) {
    unsafe cring_lock(serveLock)
    iotlb.setRecent(address)
    unsafe cring_unlock(serveLock)
  }

  /// Takes every descriptor that is there, on the server's thread.
  @usableFromInline @inline(never)
  func serve(_ iotlb: IOTLB, _ server: Int) { writing(server) { take(iotlb, server, isOwner: true) } }

  /// The same on the thread that may write the cache: its owner's when it alone serves, or one with the serve lock.
  func take(_ iotlb: IOTLB, _ server: Int, isOwner: Bool) {
    let tail = self.tail
    if tail &- iotlb.served == 2, let descriptor = latest(tail) {
      forget(descriptor, iotlb, isOwner)
      iotlb.served = tail
      unsafe cring_store_release_64(status(server), tail)
      return
    }
    var at = iotlb.served
    while at != tail {
      let descriptor = descriptor(at)
      at &+= 1
      switch descriptor.kind {
      case InvalidationDescriptor.waitKind: unsafe cring_store_release_64(status(server), descriptor.body)
      default: forget(descriptor, iotlb, isOwner)
      }
    }
    iotlb.served = at
  }

  private func forget(_ descriptor: InvalidationDescriptor, _ iotlb: IOTLB, _ isOwner: Bool) {
    if descriptor.kind == InvalidationDescriptor.pagesKind {
      iotlb.invalidate(descriptor.body, order: descriptor.order, isOwner: isOwner)
    } else {
      iotlb.invalidateAll(isOwner: isOwner)
    }
  }

  /// The request that ends at the tail, unless another came meanwhile.
  private func latest(_ tail: UInt64) -> InvalidationDescriptor? {
    let copy = unsafe Self.latestCopy(tail, block)
    let descriptor = unsafe InvalidationDescriptor(
      head: cring_load_acquire_64(copy), body: cring_load_acquire_64(copy + 8))
    return self.tail == tail ? descriptor : nil
  }

  /// Where the request is that ends at a position, in the line of the tail at `requests`.
  static func latestCopy(_ end: UInt64, _ requests: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    // SAFETY: two copies of 16 bytes lie between the tail and the end of its line.
    unsafe requests + latestOffset + Int(end >> 1 & 1) * 16
  }

  /// Takes every descriptor that is there, for a device in another process; false when it did not confirm.
  func serve(_ remote: RemoteIOTLB, _ server: Int) -> Bool {
    let tail = self.tail
    while remote.served != tail {
      let descriptor = descriptor(remote.served)
      guard remote.take(descriptor) else { return false }
      if descriptor.kind == InvalidationDescriptor.waitKind {
        unsafe cring_store_release_64(status(server), descriptor.body)
      }
      remote.served &+= 1
    }
    return true
  }
}

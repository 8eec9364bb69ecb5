// Public, because inlinable code may name only what its callers can see.
public import CRing
internal import RingKit

/// The device's side of an invalidation queue whose drivers are in another process.
///
/// They are not believed: a request that is none, or more of them than the queue has slots, has everything forgotten,
/// which is an answer to whatever was asked. Each word is read once; a call takes no more than the queue's slots.
@frozen @safe
@usableFromInline
struct SharedRequests: @unchecked Sendable {
  @usableFromInline let requests: UnsafeMutableRawPointer
  @usableFromInline let completion: UnsafeMutableRawPointer

  /// Whether there is nothing to take: one load of a line that nobody writes until something is posted.
  @inlinable @inline(__always)
  func isIdle(_ iotlb: IOTLB) -> Bool {
    unsafe cring_load_acquire_64(requests + InvalidationQueue.tailOffset) == iotlb.served
  }

  /// Where the queue is, and where the device answers; both stay mapped.
  init(_ requests: HostAddress, completion: HostAddress) {
    unsafe self.requests = unsafe requests.pointer
    unsafe self.completion = unsafe completion.pointer
  }

  private var tail: UInt64 { unsafe cring_load_acquire_64(requests + SharedDomainLayout.tailOffset) }

  /// Begins with an empty cache, which nothing posted so far can concern.
  func begin(_ iotlb: IOTLB) { finish(tail, iotlb) }

  /// Takes every descriptor that is there.
  @usableFromInline @inline(never)
  func serve(_ iotlb: IOTLB) {
    let tail = self.tail
    let behind = tail &- iotlb.served
    if behind == 2, let descriptor = latest(tail) {
      Self.forget(descriptor, iotlb)
    } else if behind <= InvalidationQueue.slotCount {
      var at = iotlb.served
      while at != tail {
        Self.forget(slot(at), iotlb)
        at &+= 1
      }
    } else {
      iotlb.invalidateAll()
    }
    finish(tail, iotlb)
  }

  private func finish(_ tail: UInt64, _ iotlb: IOTLB) {
    iotlb.served = tail
    // Pairs with the acquire load in `ProcessPlaces.completion`.
    unsafe cring_store_release_64(completion, tail)
  }

  private func slot(_ position: UInt64) -> InvalidationDescriptor {
    let slot = unsafe InvalidationQueue.slot(position, requests + SharedDomainLayout.slotOffset)
    return unsafe InvalidationDescriptor(head: cring_load_relaxed_64(slot), body: cring_load_relaxed_64(slot + 8))
  }

  /// The request that ends at the tail, unless another came meanwhile.
  private func latest(_ tail: UInt64) -> InvalidationDescriptor? {
    let copy = unsafe InvalidationQueue.latestCopy(tail, requests)
    let descriptor = unsafe InvalidationDescriptor(
      head: cring_load_acquire_64(copy), body: cring_load_acquire_64(copy + 8))
    return self.tail == tail ? descriptor : nil
  }

  private static func forget(_ descriptor: InvalidationDescriptor, _ iotlb: IOTLB) {
    let (page, order) = (descriptor.body, descriptor.order)
    switch descriptor.kind {
    case InvalidationDescriptor.waitKind: break
    case InvalidationDescriptor.pagesKind
    where order <= InvalidationQueue.largestOrder && page < PageTable.pageLimit && page & (1 << order - 1) == 0:
      iotlb.invalidate(page, order: order)
    default: iotlb.invalidateAll()
    }
  }
}

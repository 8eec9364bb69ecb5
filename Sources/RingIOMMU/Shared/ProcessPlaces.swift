internal import CRing
internal import RingKit

/// The servers of an invalidation queue that are other processes: they read memory that they cannot write.
///
/// What they answer is hostile: compared with what was posted, and used for nothing else.
@safe
struct ProcessPlaces: InvalidationPlaces {
  let queue: InvalidationQueue
  let requests: UnsafeMutableRawPointer

  var slots: UnsafeMutableRawPointer { unsafe requests + SharedDomainLayout.slotOffset }

  /// Behind this process's own tail: whoever sees a device's answer sees that it was asked.
  func publish(_ end: UInt64) { unsafe cring_store_release_64(requests + SharedDomainLayout.tailOffset, end) }

  /// One that ended reads nothing any more.
  func progress(_ server: Int) -> UInt64 {
    unsafe cring_load_acquire_64(queue.status(server)) == InvalidationQueue.attached ? completion(server) : .max
  }

  func hasServed(_ server: Int, _ end: UInt64) throws(DMAError) -> Bool {
    let state = unsafe cring_load_acquire_64(queue.status(server))
    if state == InvalidationQueue.detached { return true }
    if state == InvalidationQueue.ended { throw .deviceUnreachable }
    let done = completion(server)
    guard done >= end else { return false }
    // The tail only grows, so what was posted when this was written is no more than it is now.
    let posted = queue.tail
    if done > posted { throw .wrongCompletion(found: done, posted: posted) }
    return true
  }

  func serveInPlace(_ server: Int) {
    // SAFETY: the cache lives until `detach`; with `servedBy: .waiter` all this happens on one thread.
    let words = unsafe (queue.status(server) + 16).load(as: UInt.self)
    let mask = unsafe (queue.status(server) + 24).load(as: UInt64.self)
    guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: words) else { return }
    SharedRequests(unsafe HostAddress(requests), completion: completionWord(server)).serve(
      unsafe IOTLB(words: words, setMask: mask))
  }

  /// What a device says it has taken, once; any number.
  private func completion(_ server: Int) -> UInt64 { unsafe cring_load_acquire_64(completionWord(server).pointer) }

  private func completionWord(_ server: Int) -> HostAddress {
    // SAFETY: `attach` stored the address of a page that stays mapped; asked for only where the state is not `detached`.
    unsafe HostAddress(rawValue: UInt(cring_load_relaxed_64(queue.status(server) + 8)))
  }
}

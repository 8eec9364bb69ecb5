internal import CRing
internal import RingKit

/// The servers of an invalidation queue that are threads of this process: they read its own block.
@safe
struct ThreadPlaces: InvalidationPlaces {
  let queue: InvalidationQueue

  var requests: UnsafeMutableRawPointer { unsafe queue.block }
  var slots: UnsafeMutableRawPointer { unsafe queue.block + InvalidationQueue.slotOffset }

  /// The queue's tail is the one that they look at.
  func publish(_ end: UInt64) {}

  func progress(_ server: Int) -> UInt64 { unsafe cring_load_acquire_64(queue.status(server)) }

  func hasServed(_ server: Int, _ end: UInt64) -> Bool { progress(server) >= end }

  func serveInPlace(_ server: Int) throws(DMAError) {
    let status = unsafe queue.status(server)
    // SAFETY: `attach` stored the words of a cache that lives until `detach`; with `servedBy: .waiter` both happen on
    // this thread.
    let remote = unsafe (status + 24).load(as: UInt.self)
    if let remote = unsafe UnsafeRawPointer(bitPattern: remote) {
      let cache = unsafe Unmanaged<RemoteIOTLB>.fromOpaque(remote).takeUnretainedValue()
      if !queue.serve(cache, server) { throw .deviceUnreachable }
      return
    }
    let words = unsafe (status + 8).load(as: UInt.self)
    let mask = unsafe (status + 16).load(as: UInt64.self)
    guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: words) else { return }
    queue.serve(unsafe IOTLB(words: words, setMask: mask), server)
  }
}

internal import CRing
internal import Glibc
public import RingKit
internal import Synchronization

/// The driver's side of an invalidation queue whose servers are in other processes.
///
/// They read tail, latest requests and slots in memory that they cannot write, and each says in a page of its own how
/// far it has come. Lock, tail and the list of attachments are in `block`, which no other process has. What a device
/// wrote is compared with what was posted and used for nothing else: one that lies gains no more than a unit that does
/// not invalidate.
///
/// Ordering: as in one process. The release store of the tail in `ProcessServers.publish` pairs with the acquire loads
/// in ``SharedRequests``, and the release store of the completion there with the acquire load in
/// `ProcessServers.completion`.
extension InvalidationQueue {
  // The state of an attachment that is in use, beside `detached`. Behind it in its line: where its completions stand.
  static let attached: UInt64 = 0
  static let ended: UInt64 = 1

  /// A queue that posts to zeroed memory which others read.
  init(publishing requests: HostAddress, servedBy: InvalidationServer, timeout: UInt64) {
    self.init(servedBy: servedBy, timeout: timeout)
    unsafe (block + Self.publishedOffset).storeBytes(of: requests.rawValue, as: UInt.self)
  }

  /// Where requests are published, or `nil` where servers are in this process.
  var published: UnsafeMutableRawPointer? {
    // Written before another thread had the queue.
    unsafe UnsafeMutableRawPointer(bitPattern: (block + Self.publishedOffset).load(as: UInt.self))
  }

  /// Takes a device's process among those that every request waits for.
  ///
  /// - Parameters:
  ///   - server: an attachment that is free, and that no other thread takes.
  ///   - completions: where the device answers, for this attachment always the same address: a thread may look there
  ///     at any time.
  func attach(process server: Int, answeringAt completions: HostAddress) {
    unsafe cring_lock(block)
    defer { unsafe cring_unlock(block) }
    // Its cache is empty: nothing posted before can concern it.
    unsafe cring_store_release_64(completions.pointer, tail)
    unsafe cring_store_relaxed_64(status(server) + 8, UInt64(completions.rawValue))
    unsafe (status(server) + 16).storeBytes(of: 0, as: UInt.self)
    unsafe cring_store_release_64(status(server), Self.attached)
    countAttachments(upTo: server)
  }

  /// Has the waiting thread serve an attachment whose device lives on it.
  func serve(_ server: Int, for iotlb: IOTLB) {
    unsafe (status(server) + 24).storeBytes(of: iotlb.setMask, as: UInt64.self)
    unsafe (status(server) + 16).storeBytes(of: UInt(bitPattern: iotlb.words), as: UInt.self)
  }

  /// Fails every wait for an attachment, now or later: its device is gone.
  func end(_ server: Int) {
    unsafe cring_lock(block)
    defer { unsafe cring_unlock(block) }
    if unsafe cring_load_relaxed_64(status(server)) == Self.attached {
      unsafe cring_store_release_64(status(server), Self.ended)
    }
  }

  /// Posts an invalidation and a wait descriptor where devices read them, and waits.
  @inline(never)
  func flush(_ descriptor: InvalidationDescriptor, _ requests: UnsafeMutableRawPointer) throws(DMAError) {
    try flush(descriptor, through: unsafe ProcessServers(queue: self, requests: requests))
  }
}

/// The servers of an invalidation queue that are other processes: they read memory that they cannot write.
///
/// What they answer is hostile: compared with what was posted, and used for nothing else.
@safe
struct ProcessServers: InvalidationServers {
  let queue: InvalidationQueue
  let requests: UnsafeMutableRawPointer

  var slots: UnsafeMutableRawPointer { unsafe requests + SharedDomainLayout.slotOffset }

  /// Behind this process's own tail: a thread that sees a device's answer sees that it was asked.
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

  func serveForServer(_ server: Int) {
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
    // SAFETY: `attach` stored an address of `AnswerPages`, which stays mapped; asked for only where the state is not
    // `detached`.
    unsafe HostAddress(rawValue: UInt(cring_load_relaxed_64(queue.status(server) + 8)))
  }
}

/// A device in another process, among those that the invalidations of a domain wait for.
///
/// For the driver's side, whose domain was made by ``IOMMUDomain/init(sharing:tablePages:configuration:)``. From the
/// start to ``detach()`` every strict unmap and every flush waits until the device has forgotten, at most as long as
/// ``IOMMUConfiguration/invalidationTimeout``. What the device says is hostile: more than was asked for is
/// `DMAError.wrongCompletion(found:posted:)`. Any thread may call.
public final class DomainAttachment: Sendable {
  /// What to pass to the device's process.
  public let shared: SharedDomain
  /// The address space.
  public let domain: IOMMUDomain

  private let server: Mutex<Int?>

  /// Attaches a device that has cached nothing yet.
  ///
  /// - Throws: `MemoryError` when there is no memory for its answers, or, as `MemoryError.system(operation:errno:)`
  ///   with ENOSPC, when 16 devices are attached.
  public init(_ domain: IOMMUDomain) throws(MemoryError) {
    guard let tables = domain.tables, let answers = domain.answers else {
      preconditionFailure("a device in another process needs a domain that is shared")
    }
    let completions = try MemoryRegion(
      at: GuestPhysicalAddress(0), byteCount: SharedDomainLayout.completionByteCount)
    guard let shared = SharedDomain(tables: tables, completions: completions) else {
      preconditionFailure("a shared domain has its tables")
    }
    self.shared = shared
    self.domain = domain
    let queue = domain.core.invalidations
    let number = try answers.attaching { () throws(MemoryError) in
      guard let number = queue.freeAttachment() else {
        let limit = InvalidationQueue.serverLimit
        throw .system(operation: "attaching more than \(limit) devices to an address space", errno: ENOSPC)
      }
      let page = try answers.show(completions, number)
      queue.attach(process: number, answeringAt: page)
      return number
    }
    server = Mutex(number)
  }

  deinit { detach() }

  /// The waiting side serves for this cache, which lives on its own thread and until ``detach()``.
  func serve(for iotlb: IOTLB) {
    server.withLock { server in
      if let server { domain.core.invalidations.serve(server, for: iotlb) }
    }
  }

  /// The device's process is gone, or not listened to any more: a driver that waits for it, now or until `detach()`,
  /// gets `DMAError.deviceUnreachable`.
  public func processEnded() {
    server.withLock { server in
      if let server { domain.core.invalidations.end(server) }
    }
  }

  /// Ends the waiting for this device, which can reach nothing any more; done before, nothing.
  ///
  /// For the time after its process ended: until then it could use what it has cached.
  public func detach() {
    server.withLock { server in
      guard let number = server else { return }
      domain.answers?.attaching {
        domain.core.invalidations.detach(number)
        domain.answers?.blank(number)
      }
      server = nil
    }
  }
}

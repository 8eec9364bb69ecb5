internal import RingIOMMU
internal import RingKit

extension VhostUserBackend where Device: Sendable {
  /// Has queues served by threads of their own from now on: those of one group by the same.
  ///
  /// Before the first step. What looks on at a driver is one thread's.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when there can be no more threads or descriptors.
  func serve(onThreads count: Int) throws(VhostUserError) {
    precondition(observer == nil, "queues that are looked at are served by one thread")
    var groups: [Int] = []
    for vring in vrings {
      let group = device.group(of: vring.index)
      if !groups.contains(group) { groups.append(group) }
    }
    let count = min(count, groups.count)
    guard count > 1 else { return }
    for vring in vrings {
      let group = device.group(of: vring.index)
      vring.thread = groups.firstIndex(of: group).map { $0 % count }
      if let partner = device.partner(of: vring.index) {
        precondition(device.group(of: partner) == group, "queues of two groups cannot be partners")
      }
    }
    // Asked for by all of them from now on.
    _ = inUse
    translations = (0..<count).map { _ in DeviceIOTLB() }
    do throws(MemoryError) {
      let threads = try ServingThreads(count: count)
      self.threads = threads
      // SAFETY: of what is changed, a queue's is its thread's, and the rest is changed while no thread takes a turn.
      nonisolated(unsafe) let backend = self
      try threads.start { number, waits in unsafe backend.takeTurn(&waits, thread: number) }
    } catch {
      guard case .system(let operation, let errno) = error else { throw .memory(error) }
      throw .system(operation: operation, errno: errno)
    }
  }
}

extension VhostUserBackend {
  /// A turn of a thread that serves queues.
  private func takeTurn(_ waits: inout QueueWaits, thread: Int) {
    guard let threads else { return }
    // Nothing is served in memory that the front-end took away; the connection is about to end.
    guard loss == nil else {
      waits.removeAll()
      return threads.bell.ring()
    }
    let start = clock.now()
    // What was ready when something changed may have been another descriptor: it is asked for again.
    if waits.epoch == threads.epoch { takeEvents(waits) }
    for vring in inUse where vring.thread == thread && (vring.isKicked || vring.isBusy) { serve(vring) }
    serveOn(thread: thread, since: start)
    for vring in inUse where vring.thread == thread && vring.unsettled != nil { threads.bell.ring() }
    waits.removeAll()
    waits.epoch = threads.epoch
    addQueues(to: &waits, thread: thread)
  }

  /// Does what no queue may be served beside.
  func exclusively<Value>(_ body: () throws(VhostUserError) -> Value) throws(VhostUserError) -> Value {
    guard let threads else { return try body() }
    return try threads.exclusively(body)
  }
}

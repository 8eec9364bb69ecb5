internal import RingKit

extension VhostUserBackend {
  /// Buffers that a queue is served at a time, so that none keeps the others or the socket waiting.
  private var batch: Int { 64 }

  /// Serves until the front-end goes, or `isOver` says so, which is asked twice a second at least.
  ///
  /// - Throws: ``VhostUserError/closed`` when the front-end went, or what it did wrong.
  public func run(until isOver: () -> Bool) throws(VhostUserError) {
    while !isOver() { _ = try step(milliseconds: 500) }
  }

  /// Does what there is to do, or waits for that long at most.
  ///
  /// - Returns: false when nothing came in that time.
  /// - Throws: ``VhostUserError``; the back-end is of no more use then.
  public func step(milliseconds: Int32) throws(VhostUserError) -> Bool {
    var set = PollSet()
    let main = set.add(connection.fileDescriptor, writable: connection.isSending)
    let back = set.add(channel?.fileDescriptor ?? -1, writable: channel?.isSending ?? false)
    let kicks = vrings.map { vring in
      set.add(vring.isRunning && vring.waiting == nil ? vring.kick?.fileDescriptor ?? -1 : -1)
    }
    let isBusy = vrings.contains { $0.isRunning && ($0.needsService || $0.isPolled) }
    let came = try set.wait(milliseconds: isBusy ? 0 : milliseconds)
    if set.isReady(main) { try listen() }
    if set.isReady(back) { try listenToChannel() }
    for vring in vrings where vring.isRunning {
      let isKicked = set.isReady(kicks[vring.index]) && vring.kick?.take() == true
      if isKicked || vring.needsService || vring.isPolled { try serve(vring) }
    }
    return came || isBusy
  }

  /// Takes what the front-end said, unless it does not take the answers.
  func listen() throws(VhostUserError) {
    try connection.flush()
    while !connection.isSending, let message = try connection.receive() {
      counted.messages += 1
      try handle(message)
    }
  }

  /// Serves a queue until it is empty, its share is used up, or it needs something that is not here.
  private func serve(_ vring: Vring) throws(VhostUserError) {
    vring.needsService = false
    guard vring.failure == nil, vring.waiting == nil, var queue = vring.queue.take() else { return }
    queue.disableNotifications()
    let before = queue.completedCount
    var failure: VringFailure?
    var progress = VringProgress.idle
    do throws(VringFailure) {
      progress = try device.serve(&queue, index: vring.index, limit: batch)
    } catch { failure = error }
    queue.publish()
    if queue.isNotificationDue() { vring.call?.ring() }
    let hasMoved = queue.completedCount != before
    switch progress {
    case .empty where failure == nil: vring.needsService = queue.enableNotifications()
    case .more: vring.needsService = true
    default: break
    }
    vring.queue = consume queue
    if hasMoved {
      vring.stuck = nil
      if let partner = device.partner(of: vring.index), vrings[partner].isRunning {
        vrings[partner].needsService = true
      }
    }
    guard let failure else { return }
    if case .queue(.fault(.pending(let address, let access))) = failure {
      try ask(for: address, access, vring)
    } else {
      fail(vring, failure)
    }
  }

  /// Notes that a vring cannot go on, and tells the front-end.
  func fail(_ vring: Vring, _ failure: VringFailure) {
    vring.failure = failure
    vring.needsService = false
    failures.append((vring.index, failure))
    vring.error?.ring()
  }
}

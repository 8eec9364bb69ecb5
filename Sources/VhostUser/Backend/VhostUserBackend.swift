internal import CRing
internal import RingIOMMU
public import RingKit
internal import RingPlatform

/// The device's side of a vhost-user connection: negotiates, maps the guest's memory, and serves its queues.
///
/// One thread's: it calls ``step(milliseconds:)`` or ``run(until:)``, and everything happens in there, the device's
/// work included, unless ``VhostUserServer`` was asked for threads that serve queues. Nothing is believed of what the
/// front-end says before it was checked; the first thing that is wrong ends the connection with a ``VhostUserError``,
/// and all that it held (descriptors, mappings, queues) goes with the back-end. A driver's mistake stops its queue
/// alone (``takeFailures()``).
///
/// Behind an IOMMU a translation that is missing is asked for over the back-end's own channel, and the queue that needs
/// it goes on when it has come; meanwhile everything else is served.
public final class VhostUserBackend<Device: VhostUserDevice> {
  /// What is behind the rings.
  public let device: Device
  /// What is offered.
  public let options: VhostUserOptions
  /// What was agreed on, once it was.
  public internal(set) var features: VirtioFeatures = []
  /// The protocol features that were agreed on.
  public internal(set) var protocolFeatures: ProtocolFeatures = []
  /// What the driver wrote of the device's status, with STATUS, but for bits that were refused.
  var written: DeviceStatus = []
  /// Whether features were set since the device was reset.
  var hasFeatures = false
  var failures: [(index: Int, failure: VringFailure)] = []

  let connection: VhostUserConnection
  var channel: VhostUserConnection?
  var memory: VhostMemory?
  var inflight: InflightMemory?
  /// Where writes to the guest's memory are logged, once the front-end passed it.
  var log: DirtyLog?
  /// Whether they have to be: VHOST_F_LOG_ALL, which is not among ``features``.
  var isLogging = false
  /// What is known of the driver's addresses: the same in each, one for each thread that serves queues.
  var translations = [DeviceIOTLB()]
  let vrings: [Vring]
  /// Those of them that the front-end uses, after so many messages: a device may have more by far.
  private var used: (vrings: [Vring], messages: UInt64) = ([], .max)
  /// What the thread that runs this waits for, kept for its memory.
  private var waits = QueueWaits()
  /// Threads that serve them, where it is not the one that runs this alone.
  var threads: ServingThreads?
  /// Misses whose answer has not come, in the order they were sent.
  var asked: [TranslationMiss] = []
  var counted = VhostUserCounts()
  /// Descriptors that end a wait and nothing else.
  var wakes: [Int32] = []
  /// What tells how long a turn has taken.
  package var clock = WaitClock()
  /// What looks on.
  package var observer: (any VringObserver)?
  /// Whether the message that is handled started a vring that cannot be served.
  var hasRefused = false
  private var hasEnded = false

  /// A back-end that has heard nothing.
  public init(_ connection: VhostUserConnection, device: Device, options: VhostUserOptions = VhostUserOptions()) {
    precondition((1...256).contains(device.queueCount), "a device has 1 to 256 queues")
    self.connection = connection
    self.device = device
    self.options = options
    vrings = (0..<device.queueCount).map { Vring(index: $0) }
  }

  deinit { end() }

  /// Takes the queues from the device, which returns to its initial state: the next front-end is another one.
  ///
  /// Once: from then on the device is the next back-end's, also while this one is still referred to.
  func end() {
    if hasEnded { return }
    hasEnded = true
    threads?.end()
    for vring in vrings { suspend(vring) }
    device.reset()
    log = nil
  }

  /// What happened so far.
  public var counts: VhostUserCounts {
    var sum = counted
    for vring in vrings {
      sum.work = sum.work + vring.pastCounts
      sum.completed += vring.pastCompleted
      if let counts = vring.running?.queue.counts { sum.work = sum.work + counts }
      sum.completed += vring.running?.queue.completedCount ?? 0
    }
    return sum
  }

  /// Queues that could not go on since the last call, and why they did not the last time; each waits for the front-end
  /// to stop it.
  public func takeFailures() -> [(index: Int, failure: VringFailure)] {
    defer { failures = [] }
    return failures
  }

  /// The features that a front-end is offered.
  var offered: VirtioFeatures {
    var features = device.deviceFeatures.union(options.ringFeatures)
    features.insert(VirtioFeatures(rawValue: ProtocolFeatures.deviceBit))
    if options.protocolFeatures.contains(.logSharedMemory) { features.insert(.logAll) }
    return features
  }

  /// The protocol features that a front-end is offered; without a configuration space none to read it with.
  var offeredProtocol: ProtocolFeatures {
    device.configuration.isEmpty ? options.protocolFeatures.subtracting(.config) : options.protocolFeatures
  }

  var isTranslating: Bool { features.contains(.accessPlatform) }

  /// Whether a vring is enabled: without feature bit 30 there is no message to do it with.
  func isEnabled(_ vring: Vring) -> Bool {
    vring.isEnabled || features.rawValue & ProtocolFeatures.deviceBit == 0
  }

  /// A vring by the number that a message names.
  func vring(_ index: UInt32) throws(VhostUserError) -> Vring {
    guard index < UInt32(vrings.count) else { throw .vringIndex(index, count: vrings.count) }
    return vrings[Int(index)]
  }

  /// Takes over an eventfd that came with a message.
  func doorbell(_ file: PassedDescriptor?, _ request: FrontendRequest) throws(VhostUserError) -> EventDoorbell? {
    guard let file else { return nil }
    // What is no eventfd could end this process with a signal when it is written to.
    guard cring_is_eventfd(file.fileDescriptor) else { throw .notAnEventFile(request: request.rawValue) }
    return EventDoorbell(attaching: try file.duplicate())
  }
}

extension VhostUserBackend {
  /// Buffers that a queue is served at a time, so that none keeps the others or the socket waiting.
  private var batch: Int { 64 }

  /// How long a turn may last in which queues with more to do are served again, before the system is asked for anything
  /// else: to ask costs as much as ten frames.
  package static var busyNanoseconds: UInt64 { 50_000 }

  /// Messages that are taken at a time from each socket, so that a flood of them keeps nothing else waiting.
  static var messageBudget: Int { 64 }

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
    if hasEnded { throw .closed }
    do throws(VhostUserError) { return try turn(milliseconds) } catch {
      end()
      throw error
    }
  }

  private func turn(_ milliseconds: Int32) throws(VhostUserError) -> Bool {
    var (main, back) = (0, 0)
    var waits = QueueWaits()
    swap(&waits, &self.waits)
    defer { swap(&waits, &self.waits) }
    try exclusively { () throws(VhostUserError) in
      waits.removeAll()
      main = waits.set.add(connection.fileDescriptor, writable: connection.isSending)
      back = waits.set.add(channel?.fileDescriptor ?? -1, writable: channel?.isSending ?? false)
      addQueues(to: &waits, thread: nil)
      for wake in wakes { waits.set.add(wake) }
      if let threads { waits.set.add(threads.bell.fileDescriptor) }
    }
    let came = try waits.wait(milliseconds: milliseconds)
    try exclusively { () throws(VhostUserError) in
      // Before what is said next: a front-end that stops a queue is told why it stood.
      if threads != nil { for vring in inUse { try settle(vring) } }
      if waits.set.isReady(main) { try listen() }
      if waits.set.isReady(back) { try listenToChannel() }
      let start = clock.now()
      takeEvents(waits)
      for vring in inUse { try look(after: vring) }
      serveOn(thread: nil, since: start)
      for vring in inUse { try settle(vring) }
      try checkMemory()
      guard let threads else { return }
      if came { threads.wake() }
      _ = threads.bell.take()
      try threads.check()
    }
    return came || waits.isBusy
  }

  /// Serves the queues of a thread that have more to do, for a while, before the system is asked for anything else.
  ///
  /// Each was served in this turn. A queue that needs something that is not here ends it, and so does one that is
  /// looked at: when it was kicked is part of what is seen.
  ///
  /// - Parameters:
  ///   - thread: its number; `nil`: the one that runs this.
  ///   - start: when the turn began.
  func serveOn(thread: Int?, since start: UInt64) {
    guard observer == nil else { return }
    var isOver = false
    while !isOver {
      isOver = true
      for vring in inUse where vring.thread == thread && vring.isRunning && vring.needsService {
        if loss != nil || clock.now() &- start >= Self.busyNanoseconds { return }
        serve(vring)
        if vring.unsettled != nil { return }
        isOver = false
      }
    }
  }

  /// Starts a queue that was kicked for the first time, and serves it if that is this thread's to do.
  private func look(after vring: Vring) throws(VhostUserError) {
    if vring.isKicked && !vring.isStarted {
      vring.isStarted = true
      try start(vring)
      threads?.epoch &+= 1
    }
    guard vring.thread == nil else {
      // It begins without a kick.
      vring.isKicked = false
      return
    }
    guard vring.isKicked || vring.isBusy else { return }
    serve(vring)
    try settle(vring)
  }

  /// Asks for what a queue lacks, or notes that it cannot go on.
  private func settle(_ vring: Vring) throws(VhostUserError) {
    guard let failure = vring.unsettled.take() else { return }
    // Zeros instead of what was there are no mistake of the driver's.
    try checkMemory()
    if case .queue(.fault(.pending(let address, let access))) = failure {
      try ask(for: address, access, vring)
    } else {
      fail(vring, failure)
    }
  }

  /// Adds what the queues of a thread wait for; `nil`: of the one that runs this.
  func addQueues(to waits: inout QueueWaits, thread: Int?) {
    for vring in inUse {
      if isKickAwaited(vring, by: thread), let kick = vring.kick {
        waits.kicks.append((vring, waits.set.add(kick.fileDescriptor)))
      }
      if vring.thread == thread && vring.isBusy { waits.isBusy = true }
    }
    for source in device.sources where isAwaited(source, by: thread) {
      let (readable, writable) = (source.readiness == .readable, source.readiness == .writable)
      waits.sources.append(
        (source, waits.set.add(source.fileDescriptor, readable: readable, writable: writable)))
    }
  }

  /// The vrings that may be waited for or served: those with a kick, until they are stopped.
  ///
  /// For the thread that runs this to ask first: others ask between its turns.
  var inUse: [Vring] {
    if used.messages != counted.messages { used = (vrings.filter(\.hasKick), counted.messages) }
    return used.vrings
  }

  /// Whether a thread waits for a queue's kick: the first one of all is handled where the queue is made.
  private func isKickAwaited(_ vring: Vring, by thread: Int?) -> Bool {
    // Whose it is comes first: the rest is its thread's to read.
    thread == (vring.isStarted ? vring.thread : nil) && vring.isKickAwaited
  }

  /// Whether a descriptor of the device's is waited for: not for a queue in which it could not do anything with it.
  private func isAwaited(_ source: EventSource, by thread: Int?) -> Bool {
    guard let index = source.queue else { return thread == nil }
    let vring = vrings[index]
    return vring.thread == thread && vring.canBeServed && isEnabled(vring) && !vring.isEmpty
  }

  /// Takes what is ready: the device's own, and kicks.
  func takeEvents(_ waits: borrowing QueueWaits) {
    for (source, at) in waits.sources where waits.set.isReady(at) {
      device.handle(source)
      if let index = source.queue, vrings[index].isRunning { vrings[index].needsService = true }
    }
    for (vring, at) in waits.kicks where waits.set.isReady(at) && vring.kick?.take() == true { vring.isKicked = true }
  }

  /// Takes what the front-end said, unless it does not take the answers.
  func listen() throws(VhostUserError) {
    try connection.flush()
    for _ in 0..<Self.messageBudget {
      guard !connection.isSending, let message = try connection.receive() else { return }
      counted.messages += 1
      // A stream of translations, or of their going, changes nothing that is waited for.
      if message.request != FrontendRequest.iotlb.rawValue { threads?.epoch &+= 1 }
      try handle(message)
    }
  }

  /// Serves a queue until it is empty, its share is used up, or it needs something that is not here.
  ///
  /// What it came upon is left in the vring, to be settled by the thread that runs this.
  func serve(_ vring: Vring) {
    let isKicked = vring.isKicked
    (vring.needsService, vring.isKicked) = (false, false)
    guard vring.canBeServed, let held = vring.running.take() else { return }
    let hasMoved = serve(vring, &held.queue, isKicked: isKicked)
    vring.running = held
    guard hasMoved else { return }
    vring.stuck = nil
    if let partner = device.partner(of: vring.index), vrings[partner].isRunning { vrings[partner].needsService = true }
  }

  /// The same with the queue in hand; returns whether its partner may have something to do.
  private func serve(_ vring: Vring, _ queue: inout VringQueue, isKicked: Bool) -> Bool {
    observer?.willServe(
      vring.index, used: queue.position, fetched: queue.fetchedPosition, isNotified: isKicked)
    queue.disableNotifications()
    let before = queue.completedCount
    var failure: VringFailure?
    var progress = VringProgress.idle
    do throws(VringFailure) {
      progress =
        isEnabled(vring)
        ? try device.serve(&queue, index: vring.index, limit: batch)
        : try device.discard(&queue, index: vring.index, limit: batch)
    } catch { failure = error }
    queue.publish()
    if queue.isNotificationDue() { vring.call?.ring() }
    vring.isDrained = if case .empty = progress { !queue.holdsBuffers } else { false }
    vring.isEmpty = if case .empty = progress { failure == nil } else { false }
    switch progress {
    case .empty where failure == nil: vring.needsService = queue.enableNotifications()
    case .more: vring.needsService = true
    default: break
    }
    observer?.didServe(
      vring.index, fetched: queue.fetchedPosition,
      isAsleep: vring.isEmpty && !vring.needsService && vring.kick != nil)
    vring.unsettled = failure
    defer { queue.hasMadeRoom = false }
    return queue.completedCount != before || queue.hasMadeRoom
  }

  /// Ends the connection when the front-end took memory away that it had shared.
  private func checkMemory() throws(VhostUserError) {
    if let loss { throw .memory(loss) }
  }

  var loss: MemoryError? { memory?.guest.loss ?? inflight?.loss ?? log?.loss }

  /// Notes that a vring cannot go on, and tells the front-end.
  func fail(_ vring: Vring, _ failure: VringFailure) {
    vring.failure = failure
    vring.needsService = false
    // One a queue: a server that never takes them does not collect what a front-end repeats.
    failures.removeAll { $0.index == vring.index }
    failures.append((vring.index, failure))
    observer?.failed(vring.index, failure)
    vring.error?.ring()
  }
}

/// What happened on a connection so far.
public struct VhostUserCounts: Equatable, Sendable {
  /// Messages that came.
  public var messages: UInt64 = 0
  /// IOTLB misses that were sent.
  public var misses: UInt64 = 0
  /// IOTLB updates that came.
  public var updates: UInt64 = 0
  /// IOTLB invalidations that came.
  public var invalidations: UInt64 = 0
  /// Times a vring was started.
  public var starts: UInt64 = 0
  /// Buffers that were completed.
  public var completed: UInt64 = 0
  /// What the queues did.
  public var work = WorkCounts()

  /// All zero.
  public init() {}
}

public import RingKit

/// A device model: what is behind a back-end's rings.
///
/// One thread's, the one that runs the back-end, unless it says which queues several may serve (``group(of:)``).
public protocol VhostUserDevice: AnyObject {
  /// The features of the device type that it offers; those of rings are the back-end's.
  var deviceFeatures: VirtioFeatures { get }
  /// How many vrings it has.
  var queueCount: Int { get }
  /// The configuration space, up to 256 bytes; empty of a device whose front-end has it.
  var configuration: [UInt8] { get }

  /// Descriptors of an indirect table that the device takes although the queue has fewer; 0: no more than the queue
  /// has.
  ///
  /// For a device whose configuration space promises a driver that many before the size of a queue is known.
  var tableCapacity: Int { get }

  /// Whether, with IN_ORDER, one used entry may stand for a batch of a queue's buffers.
  ///
  /// False where drivers look for one entry a buffer all the same, as DPDK's network driver does when it receives.
  func sharesUsedEntries(index: Int) -> Bool

  /// Tells what was agreed on, before a queue runs with it.
  func configure(_ features: VirtioFeatures)

  /// Tells how many entries a queue has, before it runs.
  func resize(index: Int, to size: Int)

  /// A queue is about to run for the first time since the front-end stopped it, or since there is a front-end.
  ///
  /// Not called for what is between two suspensions. For what a device has only while its driver's machine is here.
  ///
  /// - Throws: ``VringFailure``: the queue cannot run until the front-end stops it and starts it anew.
  func begin(index: Int) throws(VringFailure)

  /// The front-end stopped a queue: nothing of it is done until it begins again, here or in another process.
  ///
  /// Not called of the queues that ``reset()`` ends.
  func stop(index: Int)

  /// Changes the configuration space.
  ///
  /// - Parameter access: where and what.
  /// - Returns: false when it may not be changed there.
  func write(_ access: ConfigAccess) -> Bool

  /// Serves what is in a queue: fetches, does, completes; the back-end publishes and notifies.
  ///
  /// - Parameters:
  ///   - queue: the queue; buffers are completed in the order they were fetched.
  ///   - index: which one it is.
  ///   - limit: buffers to complete at most.
  /// - Returns: why it came back.
  /// - Throws: ``VringFailure``; a queue's error that is pending is not the device's to handle either.
  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress

  /// A number that queues have in common which one thread has to serve.
  ///
  /// Where ``VhostUserServer`` runs on several threads, queues of different groups are served at the same time, and so
  /// are their sources; each thread asks for ``sources`` and ``partner(of:)`` beside them. All other calls come while
  /// no queue is served. A queue and its partner are of one group. The same for a queue always.
  func group(of index: Int) -> Int

  /// Descriptors of its own that it waits for; asked before each wait.
  var sources: [EventSource] { get }

  /// One of its descriptors is ready; called before the queue that it serves, if any, is served.
  ///
  /// What is there has to be taken, here or in ``serve(_:index:limit:)``, or it is ready again at once.
  func handle(_ source: EventSource)

  /// The queue that may have something to do once this one has made progress.
  func partner(of index: Int) -> Int?

  /// Processes a queue that is started but disabled, without side effects ("Ring states"): a network device takes
  /// what is sent and drops it.
  ///
  /// The parameters, the result and the errors are those of ``serve(_:index:limit:)``.
  func discard(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress

  /// The queue is taken away; buffers that were fetched and not completed are fetched again when it is back.
  func forget(index: Int)

  /// Returns to the initial state: drops all that came from a driver or a front-end.
  ///
  /// That is payload, chains that are held, and what was changed of the configuration space or by features; sums that
  /// are only reported stay. Called when a back-end ends, for whatever reason, when other features are set, and when
  /// the front-end resets the device: the next driver must not find anything of the last one's.
  func reset()
}

extension VhostUserDevice {
  /// None of its own.
  public var deviceFeatures: VirtioFeatures { [] }
  /// It has none.
  public var configuration: [UInt8] { [] }
  /// Nothing depends on it.
  public func configure(_ features: VirtioFeatures) {}
  /// No more than the queue has.
  public var tableCapacity: Int { 0 }
  /// A batch may share one.
  public func sharesUsedEntries(index: Int) -> Bool { true }
  /// Nothing depends on it.
  public func resize(index: Int, to size: Int) {}
  /// Nothing depends on it.
  public func begin(index: Int) throws(VringFailure) {}
  /// Nothing depends on it.
  public func stop(index: Int) {}
  /// Nothing is writable.
  public func write(_ access: ConfigAccess) -> Bool { false }
  /// One thread serves all.
  public func group(of index: Int) -> Int { 0 }
  /// It waits for its queues alone.
  public var sources: [EventSource] { [] }
  /// The queue it serves is served; nothing else is done.
  public func handle(_ source: EventSource) {}
  /// No queue depends on another.
  public func partner(of index: Int) -> Int? { nil }
  /// Leaves everything in the queue until it is enabled.
  public func discard(
    _ queue: inout VringQueue, index: Int, limit: Int
  ) throws(VringFailure) -> VringProgress { .idle }
  /// Nothing is held.
  public func forget(index: Int) {}
}

/// Why a device came back from a queue.
public enum VringProgress: Sendable {
  /// The driver has no more buffers there.
  case empty
  /// There are more, and the limit was reached.
  case more
  /// The device has nothing to do with more of them now.
  case idle
}

/// Why a vring cannot go on; the connection can, and the front-end may stop the vring and start it anew.
public enum VringFailure: Error, Equatable, Sendable {
  /// The driver broke a rule of the ring, or an address leads nowhere.
  case queue(QueueError)
  /// The driver broke a rule of the device.
  case device(String)
  /// The ring is not one that can be served where it stands.
  case setup(VhostUserError)
}

extension VringFailure: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .queue(let error): error.description
    case .device(let reason): reason
    case .setup(let error): error.description
    }
  }
}

public import RingKit

/// A device model: what is behind a back-end's rings.
///
/// One thread's, the one that runs the back-end.
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

  /// Tells what was agreed on, before a queue runs with it.
  func configure(_ features: VirtioFeatures)

  /// Tells how many entries a queue has, before it runs.
  func resize(index: Int, to size: Int)

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

  /// The queue that may have something to do once this one has made progress.
  func partner(of index: Int) -> Int?

  /// Processes a queue that is started but disabled, without side effects ("Ring states"): a network device takes what
  /// is sent and drops it.
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
  /// No more than the queue has.
  public var tableCapacity: Int { 0 }
  /// Nothing depends on it.
  public func resize(index: Int, to size: Int) {}
  /// Nothing is writable.
  public func write(_ access: ConfigAccess) -> Bool { false }
  /// None.
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

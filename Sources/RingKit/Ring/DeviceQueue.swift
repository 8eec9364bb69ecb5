/// The device's end of a virtqueue, whatever its layout.
///
/// One thread owns it. `next` fetches, checks and translates one buffer; `complete` notes what became of it; `publish`
/// makes all completions since the last one visible with one store. Each field of a descriptor is fetched once and only
/// the checked copy is used.
public protocol DeviceQueue: ~Copyable {
  /// Whether work is counted.
  associatedtype Counter: WorkCounter

  /// What this end of the queue and its DMA path did.
  var work: Counter { get }
  /// Descriptors in the ring.
  var size: Int { get }
  /// Buffers fetched and not yet completed.
  var inFlightCount: Int { get }
  /// True once the driver broke a rule; every call throws ``QueueError/broken`` until ``reset()``.
  var isBroken: Bool { get }

  /// The next available buffer, `nil` when there is none.
  mutating func next() throws(QueueError) -> DeviceChain?

  /// The segments of the chain that ``next()`` returned last, in order; lent until it is called again.
  var segments: Span<TranslatedSegment> { @_lifetime(borrow self) get }

  /// Notes that the device is done with a chain that ``next()`` returned.
  ///
  /// With IN_ORDER chains must be completed in the order they were fetched.
  /// - Parameters:
  ///   - chain: the chain as it was returned; not completed before.
  ///   - written: bytes written from the first device-writable byte on, at most ``DeviceChain/writableByteCount``.
  mutating func complete(_ chain: DeviceChain, written: UInt32)

  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes: the way to the least cost
  /// per buffer for a device that finishes a buffer before it looks at the next.
  ///
  /// With IN_ORDER no chain from ``next()`` may be in flight.
  /// - Parameters:
  ///   - limit: buffers to take at most.
  ///   - body: serves one buffer; gets the chain and its segments, lent for the call, and returns the bytes written,
  ///     at most ``DeviceChain/writableByteCount``. What it throws ends the batch: the buffers before are completed
  ///     and published, this one counts as fetched only: complete it, with IN_ORDER before serving on.
  /// - Returns: how many were served.
  /// - Throws: ``ServeError``.
  mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int

  /// Makes the completions noted so far visible to the driver, with one index or flag store.
  mutating func publish()

  /// Whether the driver wants to be told of what was published since the last call.
  mutating func isNotificationDue() -> Bool

  /// Asks the driver to notify when it makes another buffer available.
  ///
  /// - Returns: true when one was made available meanwhile, so that the caller must look again before it sleeps.
  mutating func enableNotifications() -> Bool

  /// Advises the driver that the device polls.
  mutating func disableNotifications()

  /// Serves the device's IOMMU, where the path has one (``DMATranslator/service()``); to be called whenever the device
  /// polls, because a driver may be waiting for it.
  mutating func service()

  /// Says whether the driver's end runs on this thread too from now on (``DMATranslator/shareThread(_:)``).
  mutating func shareThread(_ isShared: Bool)

  /// Goes on where another device, which is gone, had come to; to be called before anything is fetched.
  ///
  /// What that device had fetched and not published is fetched anew.
  /// - Parameter position: ``DriverQueue/devicePosition``, as the driver told it.
  /// - Returns: false, and nothing changed, when the ring stands elsewhere.
  mutating func resume(at position: UInt16) -> Bool

  /// Returns to the initial state (VIRTIO_F_RING_RESET); chains not completed are forgotten.
  mutating func reset()
}

/// A device queue whose state can be saved, for another one that goes on.
public protocol ResumableDeviceQueue: DeviceQueue, ~Copyable {
  /// The queue's state, for another queue over the same memory; publishes what was completed first.
  ///
  /// The queue goes on as before. A device that completes what it holds beforehand has nothing to give for `chains`.
  /// - Complexity: O(chains).
  /// - Parameters:
  ///   - isSecure: whether the guest's memory is out of its devices' reach.
  ///   - chains: everything fetched and not completed, in the order of fetching.
  /// - Returns: the state.
  /// - Throws: ``QueueStateError/broken``, ``QueueStateError/wrongChains(reason:)``.
  mutating func saveState(isSecure: Bool, holding chains: [(chain: DeviceChain, segments: [TranslatedSegment])])
    throws(QueueStateError) -> QueueState
}

/// Why a device stopped serving in the middle of a batch.
public enum ServeError<Failure: Error>: Error {
  /// The ring could not go on.
  case queue(QueueError)
  /// The device's own code threw.
  case body(Failure)
}

internal import CRing

/// What waits go by: the machine's clock, or one that a test advances.
package struct WaitClock {
  /// Nanoseconds from some point on, of a test; `nil`: the machine's.
  package var source: (() -> UInt64)?
  /// Sleeps until a descriptor is ready, for so many milliseconds at most.
  package var sleep: (inout PollSet, Int32) throws(VhostUserError) -> Void = Self.poll

  /// The machine's.
  package init() {}

  /// Nanoseconds from some point on.
  package func now() -> UInt64 { source?() ?? cring_nanoseconds() }

  private static func poll(_ set: inout PollSet, _ milliseconds: Int32) throws(VhostUserError) {
    _ = try set.wait(milliseconds: milliseconds)
  }
}

/// Descriptors to wait for, each by the index it was added at.
public struct PollSet {
  private var watches: [cring_watch] = []

  /// Nothing to wait for.
  public init() {}

  /// Leaves nothing to wait for, and keeps its memory.
  mutating func removeAll() { watches.removeAll(keepingCapacity: true) }

  /// Adds a descriptor; a negative one is never ready.
  ///
  /// - Parameters:
  ///   - fileDescriptor: kept open by the caller for as long as it is waited for.
  ///   - readable: whether something to read is waited for.
  ///   - writable: whether room to write is waited for.
  /// - Returns: its index.
  @discardableResult
  public mutating func add(_ fileDescriptor: Int32, readable: Bool = true, writable: Bool = false) -> Int {
    let wanted = (readable ? CRING_WATCH_READ : 0) | (writable ? CRING_WATCH_WRITE : 0)
    watches.append(cring_watch(fd: fileDescriptor, wanted: UInt8(wanted), ready: 0))
    return watches.count - 1
  }

  /// Waits until one of them is ready.
  ///
  /// - Parameter milliseconds: how long at most; -1 for ever.
  /// - Returns: false when the time ran out or a signal came.
  /// - Throws: ``VhostUserError/system(operation:errno:)``.
  public mutating func wait(milliseconds: Int32) throws(VhostUserError) -> Bool {
    let error = unsafe watches.withUnsafeMutableBufferPointer { buffer in
      unsafe cring_watch_wait(buffer.baseAddress, buffer.count, milliseconds)
    }
    guard error == 0 else { throw .system(operation: "waiting for descriptors", errno: error) }
    return watches.contains { $0.ready != 0 }
  }

  /// Whether a descriptor can be read or written, or was closed by the other side.
  public func isReady(_ index: Int) -> Bool { watches[index].ready != 0 }

  /// How many there are: the index of the next one.
  var count: Int { watches.count }
}

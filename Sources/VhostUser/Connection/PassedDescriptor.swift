internal import CRing

/// A file descriptor that came with a message, or goes with one; closed with its last reference.
public final class PassedDescriptor: Sendable {
  /// The descriptor, for as long as this object lives.
  public let fileDescriptor: Int32
  private let isOwned: Bool

  /// Takes a descriptor over.
  public init(owning fileDescriptor: Int32) {
    self.fileDescriptor = fileDescriptor
    isOwned = true
  }

  /// Names a descriptor that the caller keeps open for as long as this object lives.
  public init(borrowing fileDescriptor: Int32) {
    self.fileDescriptor = fileDescriptor
    isOwned = false
  }

  deinit { if isOwned { cring_channel_close(fileDescriptor) } }

  /// A descriptor of the same file that is the caller's to close.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when the process has none left.
  public func duplicate() throws(VhostUserError) -> Int32 {
    var copy: Int32 = -1
    let error = unsafe cring_descriptor_duplicate(fileDescriptor, &copy)
    guard error == 0 else { throw .system(operation: "duplicating a descriptor", errno: error) }
    return copy
  }
}

/// What waits go by: the machine's clock, or one that a test advances.
package struct WaitClock {
  /// Nanoseconds from some point on.
  package var now: () -> UInt64 = { cring_nanoseconds() }
  /// Sleeps until a descriptor is ready, for so many milliseconds at most.
  package var sleep: (inout PollSet, Int32) throws(VhostUserError) -> Void = Self.poll

  /// The machine's.
  package init() {}

  private static func poll(_ set: inout PollSet, _ milliseconds: Int32) throws(VhostUserError) {
    _ = try set.wait(milliseconds: milliseconds)
  }
}

/// Descriptors to wait for, each at the place it was added at.
public struct PollSet {
  private var watches: [cring_watch] = []

  /// Nothing to wait for.
  public init() {}

  /// Adds a descriptor; a negative one is never ready.
  ///
  /// - Parameters:
  ///   - fileDescriptor: kept open by the caller for as long as it is waited for.
  ///   - writable: whether room to write is waited for as well.
  /// - Returns: its place.
  @discardableResult
  public mutating func add(_ fileDescriptor: Int32, writable: Bool = false) -> Int {
    let wanted = CRING_WATCH_READ | (writable ? CRING_WATCH_WRITE : 0)
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

  /// Whether the descriptor at a place can be read or written, or was closed by the other side.
  public func isReady(_ place: Int) -> Bool { watches[place].ready != 0 }
}

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

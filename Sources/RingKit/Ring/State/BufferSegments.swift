/// What a buffer in flight is made of, as its caller added it: needed to map it again elsewhere.
///
/// The ring cannot be asked: the device writes it too, and what stands there are the device's addresses.
public struct BufferSegments: Equatable, Sendable {
  /// The device-readable segments, in order.
  public var readable: [MemorySegment]
  /// The device-writable segments, in order.
  public var writable: [MemorySegment]

  /// A buffer of these segments.
  public init(readable: [MemorySegment] = [], writable: [MemorySegment] = []) {
    self.readable = readable
    self.writable = writable
  }
}

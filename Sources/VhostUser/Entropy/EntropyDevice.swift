internal import CRing
public import RingKit

/// A source of random bytes (virtio 1.2, 5.4): fills each buffer with what the kernel's generator gives.
///
/// One thread's. A buffer of more than 4 KiB is filled so far, as the specification permits.
@safe
public final class EntropyDevice: VhostUserDevice {
  /// Random bytes that were given to drivers.
  public private(set) var byteCount: UInt64 = 0

  /// Random bytes of the kernel's, asked for a page at a time; those at the end were not given yet.
  private let pool = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
  private var left = 0

  /// A device that has given nothing.
  public init() {}

  deinit {
    // What is left is no other program's to find.
    _ = unsafe pool.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe pool.deallocate()
  }

  /// It has none.
  public var deviceFeatures: VirtioFeatures { [] }
  /// One.
  public var queueCount: Int { 1 }
  /// It has none.
  public var configuration: [UInt8] { [] }
  /// Nothing depends on it.
  public func configure(_ features: VirtioFeatures) {}
  /// Nothing of a driver is kept.
  public func reset() {}

  /// Fills buffers.
  public func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    // In locals: nothing of the object is touched per buffer.
    let pool = unsafe pool
    var (left, given) = (left, 0 as UInt64)
    defer {
      self.left = left
      byteCount += given
    }
    // A call is to end soon, however large the driver's buffers are.
    return try queue.serve(atMost: min(limit, 16)) { buffer throws(VringFailure) in
      guard buffer.writableCount > 0 else { throw .device("a buffer without a byte to write random ones to") }
      let count = min(buffer.writableCount, Self.mostBytes)
      var rest = count
      while rest > 0 {
        if left == 0 {
          let error = unsafe cring_random_fill(pool.baseAddress, pool.count)
          guard error == 0 else { throw Self.noBytes(error) }
          left = pool.count
        }
        let (part, start) = (min(rest, left), pool.count &- left)
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: pool[start..<(start &+ part)])
        try unsafe buffer.write(UnsafeRawBufferPointer(bytes))
        // Given once: a later reader of this memory does not learn what a driver has.
        _ = unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
        left &-= part
        rest &-= part
      }
      given += UInt64(count)
    }
  }

  @inline(never)
  private static func noBytes(_ error: Int32) -> VringFailure {
    .device("the kernel gives no random bytes: \(SystemError.text(error))")
  }

  /// Bytes of a buffer that are filled at most: 16 of them take the kernel a millisecond.
  private static var mostBytes: Int { 4096 }
}

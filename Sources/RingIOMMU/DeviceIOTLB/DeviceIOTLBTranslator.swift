public import RingKit

/// The device's side where translations come in messages: what is not known is not waited for.
///
/// A miss is ``DMAFault/pending(_:_:)``, which leaves the queue as it was; whoever owns the connection asks for the
/// translation and lets the queue try again when it has come. So no thread sleeps between a question and its answer,
/// and the peer can go on to say other things.
@frozen
public struct DeviceIOTLBTranslator<Counter: WorkCounter>: IOTLBTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter
  @usableFromInline let iotlb: IOTLB
  private let known: DeviceIOTLB

  /// A translator over translations that several queues may share, all of one thread.
  public init(_ known: DeviceIOTLB, counter: Counter) {
    self.known = known
    iotlb = known.iotlb
    work = counter
  }

  /// Looks the range up; joins ranges as long as they are contiguous here.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pageHit(address, byteCount, access) { return (host, byteCount) }
    return try search(address, byteCount: byteCount, for: access)
  }

  /// The front-end serves invalidations, through messages.
  @inlinable @inline(__always)
  public mutating func service() {}

  /// The driver is in another process.
  public mutating func shareThread(_ isShared: Bool) {}

  @usableFromInline @inline(never)
  mutating func search(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    do throws(DMAFault) {
      let found = try translateLong(address, byteCount: byteCount, for: access)
      work.add(.iotlbHits, 1)
      return found
    } catch {
      if case .pending = error { work.add(.iotlbMisses, 1) }
      throw error
    }
  }

  /// As much of a range as is known; counted by who asked, once for all that are joined.
  @usableFromInline
  func translatePage(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    guard let found = known.look(up: address, for: access) else { throw .pending(address, access) }
    return found
  }
}

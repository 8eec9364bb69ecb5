/// The device's side where translations come in messages: what is not known is not waited for.
///
/// A miss is ``DMAFault/pending(_:_:)``, which leaves the queue as it was; whoever owns the connection asks for the
/// translation and lets the queue try again when it has come. So no thread sleeps between a question and its answer, and
/// the peer can go on to say other things.
@frozen
public struct DeviceIOTLBTranslator<Counter: WorkCounter>: DMATranslator, ~Copyable {
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
    let value = iotlb.lookup(address.rawValue)
    let offset = address.rawValue & IOMMUPage.offsetMask
    if value & PageTableEntry.permission(for: access) != 0 && byteCount <= IOMMUPage.size &- offset {
      work.add(.iotlbHits, 1)
      return (HostAddress(rawValue: UInt(value & ~IOMMUPage.offsetMask &+ offset)), byteCount)
    }
    return try search(address, byteCount: byteCount, for: access)
  }

  @usableFromInline @inline(never)
  mutating func search(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    guard address.advanced(by: byteCount &- 1) != nil else {
      throw .addressOverflow(address, byteCount: byteCount)
    }
    guard let first = known.look(up: address, for: access) else {
      work.add(.iotlbMisses, 1)
      throw .pending(address, access)
    }
    work.add(.iotlbHits, 1)
    var total = first.byteCount
    while total < byteCount {
      // A range that is missing further on is told to whoever asks for it.
      guard let next = known.look(up: IOVA(address.rawValue &+ total), for: access),
        next.host.rawValue == first.host.rawValue &+ UInt(total)
      else { break }
      total &+= next.byteCount
    }
    return (first.host, min(total, byteCount))
  }
}

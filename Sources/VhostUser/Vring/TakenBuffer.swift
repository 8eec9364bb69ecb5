public import RingKit

/// A buffer that a device keeps and finishes later, in any order: ``VringQueue/take(_:)``.
///
/// It belongs to the queue that it was taken from and is lost with it: a device drops it when it is told to
/// (``VhostUserDevice/forget(index:)``), and takes the same buffer again when the queue is back.
public struct TakenBuffer: Sendable {
  /// The buffer as the ring has it.
  public let chain: DeviceChain
  let segments: [TranslatedSegment]
  let generation: UInt64
}

extension VringQueue {
  /// Takes the next available buffer, to be finished later; allocates where it has several segments.
  ///
  /// - Parameter body: reads what the driver asks for.
  /// - Returns: `nil` when there is none.
  /// - Throws: ``VringFailure``, for ``VhostUserDevice/serve(_:index:limit:)`` to pass on.
  public mutating func take(
    _ body: (inout VringBuffer) throws(VringFailure) -> Void = { _ in }
  ) throws(VringFailure) -> TakenBuffer? {
    let chain: DeviceChain
    do throws(QueueError) {
      guard let next = try next() else { return nil }
      chain = next
    } catch { throw .queue(error) }
    var buffer = VringBuffer(chain, segments)
    try body(&buffer)
    // One of a single segment has it in its chain.
    let kept = chain.segmentCount > 1 ? [TranslatedSegment](segments) : []
    return TakenBuffer(chain: chain, segments: kept, generation: generation)
  }

  /// Finishes a buffer that was taken: completes it with as many bytes as `body` writes.
  ///
  /// - Parameters:
  ///   - held: what ``take(_:)`` returned, of this queue since it was last taken away, and not finished before.
  ///   - body: reads and writes the buffer from its beginning.
  /// - Throws: what `body` throws; the buffer is still held then.
  public mutating func finish(
    _ held: TakenBuffer, _ body: (inout VringBuffer) throws(VringFailure) -> Void = { _ in }
  ) throws(VringFailure) {
    precondition(held.generation == generation, "a buffer is finished that its queue has forgotten")
    var buffer = VringBuffer(held.chain, held.segments.span)
    try body(&buffer)
    complete(held.chain, written: UInt32(clamping: buffer.writtenCount))
  }
}

/// What a shadow mapping is undone by: the buffer that was lent, and for the how manieth time.
///
/// Lives in the driver's private memory. Only ``ShadowMapper`` makes one that means anything.
@frozen
public struct ShadowMapping: BitwiseCopyable, Sendable {
  /// The number of the buffer; ``ShadowSlot/none`` where nothing is mapped.
  @usableFromInline let slot: UInt32
  /// Tells this mapping from others in the same buffer.
  @usableFromInline let generation: UInt32

  @inlinable
  init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }
}

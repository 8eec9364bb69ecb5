/// Who takes descriptors out of an IOMMU's invalidation queue.
@frozen
public enum InvalidationServer: UInt8, Sendable {
  /// Each translator's own thread, in ``IOMMUTranslator/service()``. The thread that waits must be another one, or it
  /// waits until the time-out.
  case deviceThread
  /// The waiting side, in the translators' place. Only for a driver and a device that live on one thread: it touches
  /// IOTLBs that belong to the translators.
  case waiter
}

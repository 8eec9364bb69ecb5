/// What can be chosen about an IOMMU.
///
/// The defaults are Linux's figures for VT-d.
public struct IOMMUConfiguration: Sendable {
  /// CPUs with IOVA caches of their own; a mapper's `cpu` is below it.
  public var cpuCount = 1
  /// First byte above the addresses handed out; at most 2^48, what four levels of 9 bits reach.
  public var iovaLimit: UInt64 = 1 << 48 - 4096
  /// Who serves the invalidation queue.
  public var servedBy = InvalidationServer.deviceThread
  /// How long to wait for an invalidation, in nanoseconds (Linux: DMAR_OPERATION_TIMEOUT, 10 s).
  public var invalidationTimeout: UInt64 = 10_000_000_000
  /// From the first deferred unmap to the flush that ends its window, in nanoseconds (Linux: IOVA_FQ_TIMEOUT, 10 ms).
  public var flushInterval: UInt64 = 10_000_000
  /// Pages of 4 KiB that page tables may take, the root among them.
  public var maximumTablePages = 1 << 16
  /// Whether leaves of 2 MiB and 1 GiB are used where alignment and length allow; otherwise every page has an entry.
  public var usesLargePages = true

  /// One CPU, 48 bits of addresses, served by the device's thread.
  public init() {}
}

public import RingKit
internal import Synchronization

/// A buffer that a device behind an IOMMU sees for good, for mappers that keep memory of their own there.
///
/// Mapped for both directions when it is made. It stays mapped as long as the domain lives, unless ``release()`` is
/// called: the last reference may go away on a thread, or at a time, that nobody serves the IOMMU for. Safe to share
/// between threads.
public final class PremappedBuffer: Sendable {
  /// What is mapped.
  public let buffer: GuestBuffer
  /// Where the device sees its first byte.
  public let address: IOVA

  private let domain: IOMMUDomain
  private let cpu: Int
  private let window: Mutex<PremappedWindow?>

  /// Maps a buffer.
  ///
  /// - Parameters:
  ///   - buffer: what is mapped; where it does not start and end with a page, so is the rest of its pages.
  ///   - domain: the device's address space.
  ///   - largePages: whether to choose IOVAs so that leaves of 2 MiB and 1 GiB can be used.
  ///   - cpu: whose IOVA caches are used, below ``IOMMUConfiguration/cpuCount``.
  /// - Throws: ``DMAError`` as for one large map.
  public init(
    _ buffer: GuestBuffer, domain: IOMMUDomain, largePages: Bool = false, cpu: Int = 0
  ) throws(DMAError) {
    precondition(cpu >= 0 && cpu < domain.configuration.cpuCount, "the domain has no IOVA caches for CPU \(cpu)")
    // Once for the buffer's life, so nobody's work. It counts, because a variable of no size has no address of its own,
    // and the thread sanitizer takes those of two threads for one.
    var unseen = CountedWork()
    let window = try domain.core.premap(
      buffer.address, UInt64(buffer.byteCount), largePages: largePages, cpu: cpu, counter: &unseen)
    self.buffer = buffer
    self.domain = domain
    self.cpu = cpu
    address = IOVA(window.iovaBase)
    self.window = Mutex(window)
  }

  /// Unmaps it, when no mapper uses it any more; done before, nothing.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``: an attached translator must be served meanwhile. The
  ///   device then may still see the buffer, and its range of addresses stays reserved.
  public func release() throws(DMAError) {
    let held = window.withLock { window in
      defer { window = nil }
      return window
    }
    guard let held else { return }
    var unseen = CountedWork()
    try domain.core.release(held, cpu: cpu, counter: &unseen)
  }
}

extension ShadowMapper {
  /// A mapper whose buffers a device behind an IOMMU sees through a window.
  ///
  /// - Parameters:
  ///   - memory: the driver's memory, private or shared; need not contain the buffers.
  ///   - buffer: shared memory for as many buffers as it holds, see ``byteCount(slots:slotByteCount:)``; this queue's
  ///     alone from now on. Zeroed here.
  ///   - slotByteCount: bytes of one buffer, a multiple of 64.
  ///   - window: where the device sees `buffer`; `nil` when addresses are guest-physical.
  ///   - counter: counts the work.
  /// - Throws: ``ConfigurationError``.
  public init(
    memory: GuestMemory, buffer: GuestBuffer, slotByteCount: Int = 2048, window: PremappedBuffer?, counter: Counter
  ) throws(ConfigurationError) {
    try self.init(
      memory: memory, buffer: buffer, slotByteCount: slotByteCount,
      mapped: window.map { ($0.buffer, $0.address, $0) }, counter: counter)
  }
}

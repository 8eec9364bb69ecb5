// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing

/// Which barriers stand between ring accesses: those for another CPU, or with ORDER_PLATFORM those for hardware.
///
/// The pairs are listed in `Documentation/ordering.md`; each use names its partner.
@frozen
@usableFromInline
struct RingOrdering: BitwiseCopyable, Sendable {
  @usableFromInline let platform: Bool

  @usableFromInline
  init(_ features: VirtioFeatures) { platform = features.contains(.orderPlatform) }

  /// Makes everything written before visible before `value` is.
  @inlinable @inline(__always)
  func publish16(_ memory: SharedMemory, _ value: UInt16, at offset: Int) {
    if platform { cring_device_release() }
    memory.storeRelease16(value, offset)
  }

  /// Makes everything written before visible before `value` is.
  @inlinable @inline(__always)
  func publish64(_ memory: SharedMemory, _ value: UInt64, at offset: Int) {
    if platform { cring_device_release() }
    memory.storeRelease64(value, offset)
  }

  /// Reads nothing behind it before the value.
  @inlinable @inline(__always)
  func observe16(_ memory: SharedMemory, at offset: Int) -> UInt16 {
    let value = memory.loadAcquire16(offset)
    if platform { cring_device_acquire() }
    return value
  }

  /// Reads nothing behind it before the value.
  @inlinable @inline(__always)
  func observe64(_ memory: SharedMemory, at offset: Int) -> UInt64 {
    let value = memory.loadAcquire64(offset)
    if platform { cring_device_acquire() }
    return value
  }

  /// The one full fence a side: between publishing and reading the other side's event field (S20, P16).
  @inlinable @inline(__always)
  func fence() {
    if platform { cring_device_full() } else { cring_cpu_full() }
  }
}

internal import CRing

/// Owns what an ``IdentityMapper``'s operations know of the device.
@safe
@usableFromInline
final class IdentityDevice: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<cring_dma_device>

  init(limit: UInt64) {
    unsafe pointer = UnsafeMutablePointer<cring_dma_device>.allocate(capacity: 1)
    unsafe pointer.initialize(to: cring_dma_device(limit: limit))
  }

  deinit { unsafe pointer.deallocate() }
}

import CRing
import Testing

/// The table of DMA operations and the retpoline in front of it.
@Suite struct DMAOperationsTests {
  @Test func identityAnswersWithTheAddress() {
    var device = cring_dma_device(limit: 0xFFFF_FFFF)
    let ops = unsafe cring_dma_identity_ops()
    #expect(unsafe cring_dma_map(ops, &device, 0x1000, 64, 0) == 0x1000)
    #expect(unsafe cring_dma_map(ops, &device, 0, 1 << 32, 1) == 0)
    unsafe cring_dma_unmap(ops, &device, 0x1000, 64, 0)
  }

  @Test func identityRefusesWhatTheDeviceCannotReach() {
    var device = cring_dma_device(limit: 0xFFFF_FFFF)
    let ops = unsafe cring_dma_identity_ops()
    #expect(unsafe cring_dma_map(ops, &device, 0xFFFF_FFFF, 1, 0) == 0xFFFF_FFFF)
    #expect(unsafe cring_dma_map(ops, &device, 0xFFFF_FFFF, 2, 0) == .max)
    #expect(unsafe cring_dma_map(ops, &device, .max, 2, 0) == .max)
    #expect(unsafe cring_dma_map(ops, &device, 0x1000, 0, 0) == .max)
  }

  @Test func retpolineArrivesWithEveryArgument() {
    guard cring_has_retpoline() else { return print("skipped: no retpoline for this architecture") }
    var device = cring_dma_device(limit: 7)
    let target: cring_dma_map_fn = { device, address, length, direction in
      (unsafe device?.pointee.limit ?? 0) &+ address &* 10 &+ length &* 100 &+ UInt64(direction) &* 1000
    }
    for _ in 0..<1000 {
      #expect(unsafe cring_dma_map_retpoline(&device, 1, 2, 3, target) == 3217)
    }
  }

  @Test func retpolineArrivesAtUnmap() {
    guard cring_has_retpoline() else { return print("skipped: no retpoline for this architecture") }
    var device = cring_dma_device(limit: 0)
    // The target writes where it may not look like it writes: the device is the only thing it is handed.
    let target: cring_dma_unmap_fn = { device, address, length, direction in
      guard let device = unsafe device else { return }
      unsafe UnsafeMutablePointer(mutating: device).pointee.limit = address &+ length &+ UInt64(direction)
    }
    unsafe cring_dma_unmap_retpoline(&device, 40, 1, 1, target)
    #expect(device.limit == 42)
  }
}

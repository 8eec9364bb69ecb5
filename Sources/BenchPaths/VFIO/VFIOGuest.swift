import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// The memory of a run: rings and request headers, payload, and a pool, each shown to the device as its path wants it.
package struct VFIOGuest {
  private static let poolBytes = 4 << 20

  package let memory: GuestMemory
  /// Ring, headers and the status bytes.
  package let control: MemoryRegion
  package let payload: GuestBuffer
  /// What the device is never shown by itself.
  package let hiddenPayload: GuestBuffer
  package let hiddenSlots: GuestBuffer
  package let pool: SwiotlbPool

  package init(_ parameters: VFIOParameters) throws(BenchError) {
    let base = VFIOAddressSpace.permanentBase.rawValue
    let payloadBytes = parameters.depth * parameters.blockBytes
    func region(
      _ number: UInt64, _ bytes: Int, _ visibility: Visibility = .shared
    ) throws(MemoryError) -> MemoryRegion {
      try MemoryRegion(at: GuestPhysicalAddress(base + number << 30), byteCount: bytes, visibility: visibility)
    }
    do {
      control = try region(0, 1 << 20)
      let shown = try region(1, payloadBytes)
      let poolRegion = try region(2, Self.poolBytes)
      let hidden = try region(3, payloadBytes, .private)
      let slots = try region(4, 1 << 16, .private)
      payload = GuestBuffer(whole: shown)
      hiddenPayload = GuestBuffer(whole: hidden)
      hiddenSlots = GuestBuffer(whole: slots)
      pool = try SwiotlbPool(GuestBuffer(whole: poolRegion))
      memory = try GuestMemory([control, shown, poolRegion, hidden, slots])
    } catch {
      throw .machine("memory for the device cannot be had: \(error)")
    }
  }
}

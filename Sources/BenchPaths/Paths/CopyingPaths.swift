import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

// Paths that copy: swiotlb, dma-mask, shadow.
extension CaseFactory {
  mutating func swiotlb(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let pool = try pool(for: key)
    return try assemble(
      key, SwiotlbMapper(memory: guest.memory, pool: pool, cpu: parameters.driverCPU, counter: counter), .regions,
      figures: { ["poolHighWaterSlots": Double(pool.highWaterSlots)] })
  }

  mutating func dmaMask(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let mask = parameters.maskBits == 64 ? UInt64.max : (1 << UInt64(parameters.maskBits)) - 1
    return try assemble(
      key,
      DMAMaskMapper(
        mask: mask, memory: guest.memory, pool: pool(for: key), cpu: parameters.driverCPU, dispatch: dispatch,
        counter: counter), .regions)
  }

  private func pool(for key: CostKey) throws(BenchError) -> SwiotlbPool {
    guard let pool = guest.pool else { throw .machine("no bounce pool was set up for \(key.path.name)") }
    return pool
  }

  func shadowMapper<Counter: WorkCounter>(
    _ key: CostKey, buffer: GuestBuffer? = nil, window: PremappedBuffer? = nil, _ counter: Counter
  ) throws -> ShadowMapper<Counter> {
    try ShadowMapper(
      memory: guest.memory, buffer: buffer ?? guest.shadow(bytes: key.bytes, queue, parameters),
      slotByteCount: BenchGuest.shadowSlot(key.bytes, parameters), window: window, counter: counter)
  }
}

// expect: 'SplitDeviceQueue<Translator>' initializer is inaccessible due to 'package' protection level
import RingIOMMU
import RingKit

func mismatch(_ memory: GuestMemory, _ ring: SplitRing) throws {
  let configuration = QueueConfiguration(size: 8)
  _ = try SplitDriverQueue(configuration, ring: ring, mapper: IOMMUMapper(memory))
  _ = try SplitDeviceQueue(
    configuration, ring: ring, translator: RegionTranslator(memory: memory, counter: NoWork()))
}

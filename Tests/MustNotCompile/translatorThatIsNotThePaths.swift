// expect: initializer is inaccessible due to 'package' protection level
import RingIOMMU
import RingKit

func mismatch(_ memory: GuestMemory, _ ring: SplitRing, _ domain: IOMMUDomain) throws {
  _ = try SplitDriverQueue(QueueConfiguration(size: 8), ring: ring, mapper: DirectMapper(memory))
  let translator = IOMMUTranslator(domain: domain, counter: UncountedWork())
  _ = try SplitDeviceQueue(QueueConfiguration(size: 8), ring: ring, translator: translator)
}

// expect: cannot convert
import RingIOMMU
import RingKit

func mismatch(_ memory: GuestMemory) throws {
  let queue: Virtqueue<Split<IOMMUMapper<UncountedWork>>> = try Virtqueue(
    split: 8, in: memory, over: DirectMapper(memory))
  _ = queue
}

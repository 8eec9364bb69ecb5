import RingKit
import Testing

@Test(arguments: [false, true], [false, true])
func roundTrip(packed: Bool, inOrder: Bool) throws {
  let region = try MemoryRegion(at: GuestPhysicalAddress(0x1000), byteCount: 1 << 20)
  let memory = try GuestMemory([region])
  var carve = RegionAllocator(region)
  let payload = try carve.allocate(4096, alignment: 4096)
  var f: VirtioFeatures = packed ? [.version1, .packedRing] : [.version1]
  if inOrder { f.insert(.inOrder) }
  let c = QueueConfiguration(size: packed ? 7 : 8, features: f)
  func run<A: DriverQueue & ~Copyable, B: DeviceQueue & ~Copyable>(_ driver: inout A, _ device: inout B) throws {
    var seen: UInt64 = 0
    for i in 0..<100_000 as Range<UInt64> {
      let d: DMADirection = i % 2 == 0 ? .deviceReadable : .deviceWritable
      let r = try driver.add(payload.segment(length: 64), d, token: i)
      #expect(r == .added)
      if i % 3 == 2 {
        driver.publish()
        var n = 0
        while let chain = try device.next() {
          n += 1
          device.complete(chain, written: UInt32(chain.writableByteCount))
        }
        #expect(n == 3)
        device.publish()
        let got = try driver.reclaim(atMost: 10)
        #expect(got == 3)
        let done = driver.completions
        for i in done.indices {
          #expect(done[i].token == seen)
          seen += 1
        }
      }
    }
  }
  if packed {
    let ring = try PackedRing(in: carve.allocate(PackedRing.byteCount(size: c.size)), size: c.size)
    var a = try PackedDriverQueue(c, ring: ring, mapper: DirectMapper(counter: CountedWork()))
    var b = try PackedDeviceQueue(c, ring: ring, translator: RegionTranslator(memory: memory, counter: CountedWork()))
    try run(&a, &b)
  } else {
    let ring = try SplitRing(in: carve.allocate(SplitRing.byteCount(size: c.size)), size: c.size)
    var a = try SplitDriverQueue(c, ring: ring, mapper: DirectMapper(counter: CountedWork()))
    var b = try SplitDeviceQueue(c, ring: ring, translator: RegionTranslator(memory: memory, counter: CountedWork()))
    try run(&a, &b)
  }
}

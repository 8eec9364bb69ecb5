import RingKit

let memory = try GuestMemory(byteCount: 4 << 20)
// The path is one word: DirectMapper, IdentityMapper, SwiotlbMapper, ShadowMapper; with RingIOMMU also IOMMUMapper.
var queue = try Virtqueue(packed: 256, in: memory, over: SwiotlbMapper(memory))
let buffer = try memory.allocate(1500)

_ = try queue.driver.add(buffer.segment(length: 1500), .deviceWritable, token: 7)
queue.driver.publish()
_ = try queue.device.serve(atMost: 32) { _, segments throws(Never) in segments.copyIn(Array("hello".utf8)) }
while let done = try queue.driver.nextUsed() {
  print("buffer \(done.token):", String(decoding: buffer.copyOut(byteCount: Int(done.writtenByteCount)), as: UTF8.self))
}

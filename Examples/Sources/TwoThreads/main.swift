import RingKit

// A million buffers of 512 bytes, from a driver on this thread to a device on another, bounced through swiotlb.
let (count, size, depth) = (1_000_000, 512, 256)
let memory = try GuestMemory(byteCount: 4 << 20)
var queue = try Virtqueue(split: depth, in: memory, over: SwiotlbMapper(memory))
let payload = try memory.allocate(depth * size)
var added = 0
var returned = 0
var free = Array(0..<depth)

let clock = ContinuousClock()
let time = try clock.measure {
  try queue.runOnTwoThreads(
    device: { device in
      _ = try device.serve(atMost: 32) { chain, segments throws(Never) in
        segments.count == 1 ? UInt32(chain.writableByteCount) : 0
      }
    },
    driver: { driver in
      let batch = min(free.count, count - added)
      added += try driver.add(atMost: batch, .deviceWritable) { i in
        let slot = free[free.count - 1 - i]
        return (segment: payload.segment(at: slot * size, length: size), token: UInt64(slot))
      }
      free.removeLast(batch)
      driver.publish()
      while let done = try driver.nextUsed() {
        free.append(Int(done.token))
        returned += 1
      }
      return returned < count
    })
}
print("\(returned) buffers in \(time)")

import RingKit
import RingKitTesting
import Testing

@Test func aDeviceQueueOfYourOwnKeepsTheRules() throws {
  let outcomes = try QueueChecks<MySplit<DirectMapper<UncountedWork>>> { memory in DirectMapper(memory) }.run()
  // The rules of tables cannot be looked at: the layout does not agree on them.
  let unseen = outcomes.filter { !$0.isKept }
  #expect(unseen.filter(\.isBroken) == [])
  #expect(outcomes.count { $0.isKept } > 2 * unseen.count)
}

@Test func aHostileDriverIsCaughtByADeviceQueueOfYourOwn() throws {
  let memory = try GuestMemory(byteCount: 1 << 20)
  var queue = try Virtqueue<MySplit<DirectMapper<UncountedWork>>>(
    QueueConfiguration(size: 8), in: memory, over: DirectMapper(memory))
  let buffer = try memory.allocate(64)
  _ = try queue.driver.add(buffer.segment(length: 64), .deviceWritable, token: 7)
  queue.driver.publish()
  let served = try queue.device.serve(atMost: 1) { _, segments in segments.copyIn([1, 2, 3]) }
  #expect(served == 1)
  let completion = try queue.driver.nextUsed()
  #expect(completion == Completion(token: 7, writtenByteCount: 3))
  #expect(buffer.copyOut(byteCount: 3) == [1, 2, 3])
  // An address that leads nowhere, behind the driver's back.
  _ = try queue.driver.add(buffer.segment(length: 64), .deviceWritable, token: 8)
  queue.driver.publish()
  try memory.overwriteDescriptors(GuestPhysicalAddress(1 << 40))
  do throws(QueueError) {
    _ = try queue.device.next()
    Issue.record("the address was followed")
  } catch { #expect(error != .broken) }
  let isBroken = queue.device.isBroken
  #expect(isBroken)
}

extension GuestMemory {
  /// Leads every descriptor of a ring of 8, which is the first that was allocated, somewhere else.
  fileprivate func overwriteDescriptors(_ address: GuestPhysicalAddress) throws {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: address.rawValue >> (8 * UInt64($0))) }
    for slot in 0..<8 {
      let base = GuestPhysicalAddress(regions[0].guestBase.rawValue + UInt64(16 * slot))
      try copyIn(bytes, to: MemorySegment(base, length: 8))
    }
  }
}

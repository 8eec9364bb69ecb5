import RingKit
import RingKitTesting
import Testing

@testable import SealedPath

@Test func queuesOverItKeepTheRules() throws {
  let split = try QueueChecks<Split<SealedPath>> { memory in try SealedPath(memory) }.run()
  let packed = try QueueChecks<Packed<SealedPath>> { memory in try SealedPath(memory) }.run()
  #expect((split + packed).filter { !$0.isKept } == [])
  #expect(Set((split + packed).map(\.rule)) == Set(QueueRule.allCases))
}

@Test func aHostileDriverIsCaught() throws {
  let split = try HostilePeer(splitOver: { memory in try SealedPath(memory) }).attackDevice()
  let packed = try HostilePeer(packedOver: { memory in try SealedPath(memory) }).attackDevice()
  #expect(!split.isEmpty && !packed.isEmpty)
  #expect((split + packed).filter { !$0.isCaught }.map(\.description) == [])
}

@Test func aHostileDeviceIsCaught() throws {
  let split = try HostilePeer(splitOver: { memory in try SealedPath(memory) }).attackDriver(makeDriver)
  let packed = try HostilePeer(packedOver: { memory in try SealedPath(memory) }).attackDriver(makeDriver)
  #expect(!split.isEmpty && !packed.isEmpty)
  #expect((split + packed).filter { !$0.isCaught }.map(\.description) == [])
}

/// A driver's step: takes back what came, and keeps four buffers in flight.
private func makeDriver<Queue: DriverQueue & ~Copyable>(
  _ memory: GuestMemory
) throws -> (inout Queue) throws -> Void {
  let buffer = try memory.allocate(64)
  return { queue in
    while try queue.nextUsed() != nil {}
    while queue.inFlightCount < 4 {
      guard try queue.add(buffer.segment(length: 64), .deviceWritable, token: 0) == .added else { break }
    }
    queue.publish()
  }
}

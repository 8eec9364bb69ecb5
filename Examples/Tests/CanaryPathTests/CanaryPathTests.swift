import RingKit
import RingKitTesting
import Testing

@testable import CanaryPath

@Test func keepsWhatAQueueReliesOn() throws {
  let findings = try PathChecks(longestSegment: 4095) { memory in try CanaryPath(memory) }.run()
  #expect(findings == [])
}

@Test func tellsOfADeviceThatWritesTooMuch() throws {
  let memory = try GuestMemory(byteCount: 2 << 20)
  var path = try CanaryPath(memory)
  let buffer = try memory.allocate(100)
  let (address, mapping) = try path.map(buffer.segment(length: 100), .deviceWritable)
  try memory.copyIn([0], to: MemorySegment(GuestPhysicalAddress(address.rawValue + 100), length: 1))
  do throws(DMAError) {
    try path.unmap(mapping, .deviceWritable)
    Issue.record("the overrun went unnoticed")
  } catch { #expect(error == .custom(CustomDMAError("a device wrote behind slot", 0))) }
}

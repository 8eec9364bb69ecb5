import RingKit
import RingKitTesting
import Testing

@testable import SealedPath

@Test func keepsWhatAQueueReliesOn() throws {
  let findings = try PathChecks(longestSegment: 4095) { memory in try SealedPath(memory) }.run()
  #expect(findings == [])
}

@Test func tellsOfADeviceThatWritesTooMuch() throws {
  let memory = try GuestMemory(byteCount: 2 << 20)
  var path = try SealedPath(memory)
  let buffer = try memory.allocate(100)
  let (address, mapping) = try path.map(buffer.segment(length: 100), .deviceWritable)
  try memory.copyIn([0], to: MemorySegment(GuestPhysicalAddress(address.rawValue + 100), length: 1))
  do throws(DMAError) {
    try path.unmap(mapping, .deviceWritable)
    Issue.record("the overrun went unnoticed")
  } catch { #expect(error == .custom(CustomDMAError("a device wrote behind slot", 0))) }
}

@Test func clearsTheSlotWhenABufferComesBack() throws {
  let memory = try GuestMemory(byteCount: 2 << 20)
  var path = try SealedPath(memory)
  let buffer = try memory.allocate(100)
  buffer.copyIn([UInt8](repeating: 0x5E, count: 100))
  let (address, mapping) = try path.map(buffer.segment(length: 100), .deviceReadable)
  let slot = MemorySegment(GuestPhysicalAddress(address.rawValue), length: 100)
  #expect(try memory.copyOut(slot) == buffer.copyOut())
  _ = try path.unmap(mapping, .deviceReadable, written: 0)
  #expect(try memory.copyOut(slot) == [UInt8](repeating: 0, count: 100))
}

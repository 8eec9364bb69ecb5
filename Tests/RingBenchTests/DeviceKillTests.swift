#if Bench
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting
import RingPlatform
import TestTraits
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite("A device's process that is killed", .oneAtATime)
struct DeviceKillTests {
  @Test("kill -9 of the device process 100 times under load with nothing lost")
  func kills() throws {
    var generator = RingKitTesting.SeededGenerator(for: "kill -9")
    let rigs = try IsolatedRig.Kind.all.map { try IsolatedRig($0) }
    var (cutOff, served) = (0, UInt64(0))
    for number in 0..<100 {
      let rig = rigs[number % rigs.count]
      if let failure = try rig.killUnderLoad(using: &generator) { throw failure }
      while try rig.step(adding: false) {}
      #expect(rig.inFlight == Int(rig.added - rig.returned), "what is in flight is what did not come back")
      cutOff += rig.inFlight
    }
    // The last ones serve what the others left.
    for rig in rigs {
      try rig.serveRest(rig.startDevice().device)
      #expect(rig.returned == rig.added && rig.inFlight == 0)
      served += rig.returned
    }
    print("kill -9: \(served) buffers served, \(cutOff) were in flight at a kill and served again")
    #expect(cutOff > 0, "no kill came in the middle of anything")
  }

  @Test("a device that is told a position the queue does not have refuses", arguments: RingLayout.allCases)
  func wrongPosition(ring: RingLayout) throws {
    let rig = try IsolatedRig(IsolatedRig.Kind(ring: ring, isInOrder: false, direction: .deviceWritable))
    let (first, process) = try rig.startDevice()
    try rig.exchange(10, first)
    kill(process.processIdentifier, SIGKILL)
    #expect(first.finish() == .gone(.killed(signal: SIGKILL)))
    while try rig.step(adding: false) {}
    // One back: a device that went on there would do a buffer twice.
    let position = try #require(rig.position)
    let back: UInt16 =
      ring == .packed && position & 0x7fff == 0
      ? (position ^ 0x8000) | UInt16(IsolatedRig.size - 1) : position &- 1
    let error = #expect(throws: BenchError.self) { _ = try rig.startDevice(at: back) }
    #expect(error?.message.contains("does not stand at position") == true)
    let (last, _) = try rig.startDevice()
    try rig.exchange(nil, last)
    #expect(rig.returned == rig.added)
  }

  @Test("a driver finds a device that was started by hand, and the socket is gone from its path")
  func byHand() throws {
    let rig = try IsolatedRig(IsolatedRig.Kind(ring: .packed, isInOrder: false, direction: .deviceReadable))
    let path = "/tmp/ringbench-device-\(getpid())"
    unsafe unlink(path)
    let program = try #require(RingBenchProgram.path, "there is no ringbench beside the tests")
    let hand = try DeviceLink(starting: program, [BenchProcess.device, "--socket", path])
    var found: DeviceSocket?
    while found == nil, hand.process?.end == nil {
      found = try? DeviceSocket.connect(to: path)
      usleep(1000)
    }
    let device = try rig.attach(try DeviceLink(try #require(found)))
    try rig.exchange(1000, device)
    #expect(unsafe access(path, F_OK) != 0)
    try rig.serveRest(device)
    #expect(hand.process?.wait() == .exited(code: 0))
  }
}
#endif

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

/// Where each buffer is mapped the driver waits for the device's process: at an unmap, or at a flush.
@Suite("A device's process that is killed while its answers are waited for", .oneAtATime)
struct MappedDeviceKillTests {
  private static let kinds = IsolatedRig.Kind.all.flatMap { kind in
    [DMAPath.iommuStrict, .iommuLazy].map { path in
      var kind = kind
      kind.path = path
      return kind
    }
  }

  @Test("kill -9 under iommu-strict and iommu-lazy, 64 times under load, with nothing lost")
  func kills() throws {
    var generator = RingKitTesting.SeededGenerator(for: "kill -9, mapped")
    let rigs = try Self.kinds.map { try IsolatedRig($0) }
    var (inAWait, atRest) = (0, 0)
    for number in 0..<64 {
      let rig = rigs[number % rigs.count]
      let failure = try rig.killUnderLoad(using: &generator)
      if let failure {
        #expect(failure as? QueueError == .mapping(.deviceUnreachable), "\(rig.kind): \(failure)")
      }
      let wasBroken = try rig.leave()
      if failure != nil { #expect(wasBroken, "\(rig.kind)") }
      if wasBroken { inAWait += 1 } else { atRest += 1 }
      #expect(rig.inFlight == Int(rig.added - rig.returned))
    }
    // The last ones serve what the others left; then no slot is waited for, and all is unmapped.
    for rig in rigs {
      try rig.serveRest(rig.startDevice().device)
      #expect(try !rig.leave())
      #expect(rig.returned == rig.added && rig.inFlight == 0)
    }
    print("kill -9, mapped: \(inAWait) kills ended a wait, \(atRest) fell elsewhere")
    #expect(inAWait > 0, "no kill ended a wait")
  }

  @Test("a wait that only the process's end can end ends with it, in type")
  func inTheMiddle() throws {
    let rig = try IsolatedRig(
      IsolatedRig.Kind(ring: .split, isInOrder: false, direction: .deviceWritable, path: .iommuStrict))
    let (device, process) = try rig.startDevice()
    try rig.exchange(100, device)
    let attachment = try #require(rig.attachment)
    kill(process.processIdentifier, SIGSTOP)
    var status: Int32 = 0
    #expect(unsafe waitpid(process.processIdentifier, &status, WUNTRACED) == process.processIdentifier)
    // It stands, so what is asked now is not answered.
    var mapper = IOMMUMapper(domain: attachment.domain, policy: .strict, counter: UncountedWork())
    let (_, mapping) = try mapper.map(
      MemorySegment(GuestPhysicalAddress(1 << 30), length: 64), .deviceReadable)
    let killer = IsolatedRig.kill(process, after: 20_000)
    #expect(throws: DMAError.deviceUnreachable) { try mapper.unmap(mapping, .deviceReadable) }
    killer.join()
    #expect(device.finish() == .gone(.killed(signal: SIGKILL)))
    _ = try rig.leave()
    let (next, _) = try rig.startDevice()
    try rig.exchange(1000, next)
    try rig.exchange(nil, next)
    #expect(rig.returned == rig.added)
  }
}
#endif

#if Bench
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting
import RingPlatform
import Testing

@testable import BenchHarness
@testable import BenchPaths

extension IsolatedRig {
  /// Starts a device and kills it under load, wherever it is then, in the middle of a batch as likely as not.
  ///
  /// - Returns: what the driver met before it saw that the device was gone.
  func killUnderLoad<Generator: RandomNumberGenerator>(using generator: inout Generator) throws -> (any Error)? {
    let (device, process) = try startDevice()
    // Beyond all that was in flight when the last one ended: a position that was only nearly right stops short of it.
    try exchange(UInt64(2 * Self.depth), device)
    let killer = Self.kill(process, after: UInt32.random(in: 0...2000, using: &generator))
    var failure: (any Error)?
    while !device.isGone, failure == nil {
      do { if try !step() { sched_yield() } } catch { failure = error }
    }
    killer.join()
    #expect(device.finish() == .gone(.killed(signal: SIGKILL)))
    return failure
  }

  /// Kills a device from another thread, so many microseconds from now.
  static func kill(_ process: ChildProcess, after delay: UInt32) -> TestThread {
    TestThread {
      usleep(delay)
      Glibc.kill(process.processIdentifier, SIGKILL)
    }
  }

  /// Has a device serve what is left, and ends it.
  func serveRest(_ device: IsolatedDevice) throws {
    try exchange(nil, device)
    device.peer.barrier.endSlice()
    try device.peer.barrier.waitUntilIdle()
    device.peer.barrier.open(.finish)
    #expect(device.finish() == .done)
  }
}
#endif

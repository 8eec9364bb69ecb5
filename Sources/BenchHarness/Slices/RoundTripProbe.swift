import CRing
import CRingBench
import RingKit

/// One cache line that two pinned threads bounce between them.
///
/// The driver's thread calls ``ping()`` while the device's calls ``pong()``; both return once the exchange is over or
/// the other side has not come for a second.
@safe
package final class RoundTripProbe: @unchecked Sendable {
  static let exchanges: UInt64 = 512
  private static let timeoutNanoseconds: UInt64 = 1_000_000_000

  private let line: UnsafeMutablePointer<UInt64>
  private let region: MemoryRegion

  /// A line in a region, at a multiple of its size.
  init(in region: MemoryRegion, at offset: Int) {
    precondition(offset % 128 == 0 && offset + 128 <= region.byteCount, "a probe has a line of its region to itself")
    self.region = region
    unsafe line = region.hostBase.advanced(by: offset).pointer.assumingMemoryBound(to: UInt64.self)
  }

  /// Nanoseconds of one round trip, or a negative number when there was no answer.
  func ping() -> Double { unsafe crb_probe_ping(line, Self.exchanges, Self.timeoutNanoseconds) }

  /// Answers one ``ping()``; false when none came.
  @discardableResult
  func pong() -> Bool { unsafe crb_probe_pong(line, Self.exchanges, Self.timeoutNanoseconds) == 0 }

  /// After a probe that timed out, while neither side is in one.
  func reset() { unsafe crb_probe_reset(line) }

  /// Probes for a while, with pauses in which the CPUs may move.
  package static func sample(driver: Int, device: Int, milliseconds: Int) throws(BenchError) -> [Double] {
    let probe = try SlicePeer().probe
    let count = max(1, milliseconds / 4)
    let answering = try PinnedThread(cpu: device) {
      for _ in 0..<count where Interrupt.isRequested || !probe.pong() { return }
    }
    let asking = try PinnedThread(cpu: driver) { () -> [Double] in
      var samples: [Double] = []
      for _ in 0..<count where !Interrupt.isRequested {
        let started = cring_nanoseconds()
        let took = probe.ping()
        guard took >= 0 else { break }
        samples.append(took)
        // Spinning rather than sleeping: a halted virtual CPU may wake up somewhere else, which no run does.
        while cring_nanoseconds() &- started < 4_000_000 {}
      }
      return samples
    }
    let samples = asking.join()
    answering.join()
    return samples
  }
}

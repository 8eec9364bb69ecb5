import RingKit

/// A device's thread, or all that follow, as the driver's leads them, in this process or in another: a gate and a line to
/// probe.
package final class SlicePeer: Sendable {
  /// Bytes of memory that both take.
  package static let byteCount = 4096
  private static let probeOffset = 128

  package let gate: SliceGate
  package let probe: RoundTripProbe

  /// Over the first bytes of a region that is new, or that the driver's side has set up.
  package init(in region: MemoryRegion, followers: Int = 1, patience: UInt64 = 10_000_000_000) {
    gate = SliceGate(in: region, followers: followers, patience: patience)
    probe = RoundTripProbe(in: region, at: Self.probeOffset)
  }

  /// For threads of this process.
  package convenience init(followers: Int = 1) throws(BenchError) {
    do throws(MemoryError) {
      self.init(
        in: try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: Self.byteCount, visibility: .private),
        followers: followers)
    } catch { throw .machine("no memory for a gate: \(error)") }
  }
}

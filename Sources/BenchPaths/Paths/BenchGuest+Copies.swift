import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension BenchGuest {
  /// Where what a device of 32 address bits cannot reach begins.
  package static let boundary: UInt64 = 1 << 32

  /// The payload of `bytes`-sized buffers of which a share lies above 4 GiB: those that have their turn last.
  package func payload(bytes: Int, _ parameters: CostParameters) -> GuestBuffer {
    guard let straddling, parameters.beyondPercent > 0 else { return sharedPayload }
    let stride = PayloadPool.stride(for: bytes)
    let above = (parameters.depth * parameters.beyondPercent + 50) / 100
    let start = straddling.byteCount / 2 - (parameters.depth - above) * stride
    return straddling.slice(at: start, byteCount: parameters.depth * stride)
  }

  /// Bytes of a shadow buffer for buffers of `bytes`.
  package static func shadowSlot(_ bytes: Int, _ parameters: CostParameters) -> Int {
    parameters.shadowSlot ?? (bytes + 63) & ~63
  }

  /// Shadow buffers a queue needs: one for each segment in flight, and one for each indirect table.
  private static func shadowSlots(_ parameters: CostParameters) -> Int {
    parameters.features.contains(.indirect) ? 3 * parameters.depth : parameters.depth
  }

  package static func shadowByteCount(_ parameters: CostParameters) -> Int {
    parameters.queues * (parameters.sizes.map { shadowByteCount($0, parameters) }.max() ?? 4096)
  }

  /// Those of one queue whose buffers have `bytes`.
  private static func shadowByteCount(_ bytes: Int, _ parameters: CostParameters) -> Int {
    ShadowMapper<NoWork>.byteCount(slots: shadowSlots(parameters), slotByteCount: shadowSlot(bytes, parameters))
  }

  /// From the start of shadow buffers to the end of the last 2 MiB they have a part in.
  package func wholeLeaves(of shadow: GuestBuffer) -> GuestBuffer {
    GuestBuffer(whole: shadow.region).slice(at: 0, byteCount: Self.wholeLeaves(shadow.byteCount))
  }

  /// A multiple of 2 MiB, so that large pages stay where they were, on either side of an IOMMU.
  package static func wholeLeaves(_ byteCount: Int) -> Int { (byteCount + 0x1f_ffff) & ~0x1f_ffff }

  /// The shadow buffers of a queue whose buffers have `bytes`, with nothing to spare.
  ///
  /// Behind those of the queues before it in its contender.
  package func shadow(bytes: Int, _ lane: Int, _ parameters: CostParameters) throws(BenchError) -> GuestBuffer {
    guard let shadow else { throw .machine("no shadow buffers were set up") }
    let count = Self.shadowByteCount(bytes, parameters)
    return shadow.slice(at: lane * count, byteCount: count)
  }
}

// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing

/// Times one path: so many segments mapped, and then unmapped, as a queue does it with what is in flight.
@frozen @usableFromInline
struct HybridStopwatch<Mapping: BitwiseCopyable>: ~Copyable {
  @usableFromInline let payload: GuestBuffer
  @usableFromInline let inFlight: Int
  @usableFromInline let mappings: PrivateTable<Mapping>

  @inlinable
  init(_ payload: GuestBuffer, inFlight: Int, mapping: Mapping) {
    self.payload = payload
    self.inFlight = inFlight
    mappings = PrivateTable(count: inFlight, repeating: mapping)
  }

  /// Nanoseconds for map and unmap of one segment, the mean over all that are in flight.
  @inlinable
  func time<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ byteCount: Int, _ direction: DMADirection
  ) throws(DMAError) -> Double where Mapper.Mapping == Mapping {
    // Next to each other, as buffers lie that were made for this size.
    let stride = (byteCount + 63) & ~63
    let written = direction == .deviceReadable ? 0 : UInt32(byteCount)
    let start = cring_nanoseconds()
    for i in 0..<inFlight {
      mappings[i] = try mapper.map(payload.segment(at: i * stride, length: byteCount), direction).mapping
    }
    for i in 0..<inFlight { _ = try mapper.unmap(mappings[i], direction, written: written) }
    return Double(cring_nanoseconds() &- start) / Double(inFlight)
  }
}

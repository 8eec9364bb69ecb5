internal import RingKit

/// A receive buffer that was fetched and waits for the others that its frame needs.
struct HeldBuffer {
  let chain: DeviceChain
  let bytes: ChainBytes

  init(_ chain: DeviceChain, _ segments: [TranslatedSegment]) {
    self.chain = chain
    bytes = ChainBytes(segments, .deviceWritable, count: chain.writableByteCount)
  }
}

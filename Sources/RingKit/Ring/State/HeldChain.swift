/// A chain that a device has fetched and not yet completed, with the stretches that came with it.
public struct HeldChain: Sendable {
  /// The chain as ``DeviceQueue/next()`` returned it.
  public let chain: DeviceChain
  /// Its stretches, in order.
  public let segments: [TranslatedSegment]

  /// A chain of one stretch, or of none.
  public init(_ chain: DeviceChain) {
    self.init(chain, chain.segmentCount == 0 ? [] : [chain.first])
  }

  /// A chain and what ``DeviceQueue/segments`` held when it was fetched.
  public init(_ chain: DeviceChain, _ segments: [TranslatedSegment]) {
    self.chain = chain
    self.segments = segments
  }
}
